import { Router } from 'express';
import { simpleParser } from 'mailparser';
import { HushError } from '../core/errors.js';
import type { MailboxMessage, MailboxStore } from '../store/mailbox.js';
import type { Pages } from './public/pages.js';

/** The text with its links, so that they can be followed. */
function linked(text: string): { text: string; href?: string }[] {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .filter((part) => part !== '')
    .map((part) => (/^https?:/.test(part) ? { text: part, href: part } : { text: part }));
}

/** `/dev/mail`: what would have been sent. Only where no mail server is set, and never in production. */
export function mailboxRoutes(parts: { readonly pages: Pages; readonly mailbox: MailboxStore }): Router {
  const { pages, mailbox } = parts;
  const router = Router();

  async function find(id: string): Promise<MailboxMessage> {
    const mail = await mailbox.get(id);
    if (!mail) throw new HushError('not_found', 'there is no such mail');
    return mail;
  }

  router.get('/dev/mail', async (request, response) => {
    pages.send(request, response, 200, 'mailbox', undefined, { mails: await mailbox.list() });
  });
  router.get('/dev/mail/:id', async (request, response) => {
    const mail = await find(request.params.id);
    const { text } = await simpleParser(mail.raw);
    pages.send(request, response, 200, 'mail', undefined, { mail, pieces: linked(text ?? '') });
  });
  router.get('/dev/mail/:id/raw', async (request, response) => {
    response.type('text/plain').send((await find(request.params.id)).raw.toString('utf8'));
  });
  router.get('/dev/mail/:id/html', async (request, response) => {
    const { html } = await simpleParser((await find(request.params.id)).raw);
    response
      .set(
        'Content-Security-Policy',
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-top-navigation",
      )
      .type('html')
      .send(html === false ? '' : html);
  });
  return router;
}
