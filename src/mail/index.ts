import type { Foundation } from '../foundation.js';
import { createLanguageOf, inOwnLanguage } from '../preferences/contact-language.js';
import type { Preferences } from '../preferences/index.js';
import type { QueuedMail } from '../preferences/outgoing-mail.js';
import { createComposer } from './compose.js';
import { createOutbox } from './outbox.js';
import { createFormMail, createRecipientLimits } from './recipient-limits.js';
import { createTransport } from './transport.js';

/** Mail that goes out: written, kept in the durable outbox, and sent. */
export async function createMail(base: Foundation, { decisions }: Pick<Preferences, 'decisions'>) {
  const { environment, folders, stores, catalog, country, keyring, clock, machine, log, queues } = base;
  const composer = await createComposer({
    catalog,
    machine,
    templatesDir: folders.templates,
    localesDir: folders.locales,
  });
  const transport = createTransport({ smtpUrl: environment.smtpUrl, mailbox: stores.mailbox, now: clock.now, machine });
  const outbox = createOutbox({
    store: stores.outbox,
    composer,
    transport,
    keyring,
    clock,
    machine,
    log,
    onQueued: () => queues.add('mail'),
  });
  const languageOf = createLanguageOf({ decisions, catalog, clock });
  const limits = createRecipientLimits({ store: stores.outbox, keyring, country, clock, machine });
  return {
    composer,
    transport,
    outbox,
    languageOf,
    /** Hands a mail to the outbox, in the language of whom it goes to. */
    post: inOwnLanguage({ languageOf, keyring, country }, createFormMail<QueuedMail>(limits, outbox.enqueue)),
  };
}

export type Mail = Awaited<ReturnType<typeof createMail>>;
