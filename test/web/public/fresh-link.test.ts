import { expect, test } from '@jest/globals';
import type { Request } from 'express';
import { normaliseContact } from '../../../src/core/contact-point.js';
import type { OutgoingMail } from '../../../src/preferences/outgoing-mail.js';
import { mailFreshLink } from '../../../src/web/public/fresh-link.js';

const NOW = Date.UTC(2030, 5, 15);

function partsWith(mails: OutgoingMail[]): Parameters<typeof mailFreshLink>[0] {
  return {
    links: { fresh: (point, brand, now) => `token-of-${point.given}-${brand}-${now}` },
    pages: { context: () => ({ language: 'fr', t: undefined as never }) },
    clock: { now: () => NOW },
    post: async (mail) => {
      mails.push(mail);
      return 'queued';
    },
    publicUrl: () => 'https://hush.example',
    askerOf: () => '192.0.2.0/24',
  };
}

test('an email address gets a link that ends within the hour, in the language of the page', async () => {
  const mails: OutgoingMail[] = [];
  const point = normaliseContact({ email: 'ana@example.com' }, 'US');
  await mailFreshLink(partsWith(mails), {} as Request, point, 'jmf');
  const [mail] = mails;
  expect(mail).toMatchObject({ template: 'your-link', language: 'fr', brand: 'jmf', to: 'ana@example.com' });
  expect(mail?.quota?.asker).toBe('192.0.2.0/24');
  expect(mail?.values('de')).toEqual({
    link: `https://hush.example/p/token-of-ana@example.com-jmf-${NOW}?lang=de`,
  });
  expect(mail?.until).toBeGreaterThan(NOW);
  expect(mail?.until).toBeLessThanOrEqual(NOW + 60 * 60_000);
});

test('a phone number has no mailbox, so nothing is mailed', async () => {
  const mails: OutgoingMail[] = [];
  await mailFreshLink(partsWith(mails), {} as Request, normaliseContact({ phone: '+12125550123' }, 'US'), 'jmf');
  expect(mails).toEqual([]);
});
