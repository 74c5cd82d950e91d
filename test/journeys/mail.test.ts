import { createSign, generateKeyPairSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTransport } from 'nodemailer';
import type { Browser } from 'playwright-core';
import { smtpPeer } from '../mail/setting.js';
import { fileDestination, type Hush, startHush } from '../support/hush.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { inBrowser, launch } from '../web/staff/chromium.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const webhookKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let hush: Hush;
let sendgrid: Awaited<ReturnType<typeof startSendgrid>>;
let peer: Awaited<ReturnType<typeof smtpPeer>>;

beforeAll(async () => {
  sendgrid = await startSendgrid();
  peer = await smtpPeer();
  hush = await startHush({
    destinations: [
      fileDestination,
      {
        name: 'sender',
        adapter: 'sendgrid',
        role: 'processor',
        settings: {
          apiKey: sendgrid.apiKey,
          baseUrl: sendgrid.url,
          webhookKey: webhookKeys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
        },
        bindings: [{ name: 'all', ...OFFERS, target: { global: true } }],
      },
    ],
  });
});
afterAll(async () => {
  await hush?.stop();
  await sendgrid?.close();
  await peer?.stop();
});

interface MailLinks {
  readonly oneClickUrl: string;
  readonly preferencesUrl: string;
  readonly headers: Record<string, string>;
}

/** Sends a newsletter as a marketing system does, with the headers of `/v1/links`, and reads it back from the wire. */
async function newsletter(email: string) {
  const links = await hush.ask<MailLinks>('/v1/links', { contact: { email }, ...OFFERS, campaign: 'autumn' });
  const transport = createTransport(peer.url);
  await transport.sendMail({
    from: 'JM Facets <hello@jmf.example>',
    to: email,
    subject: 'What is new in autumn',
    headers: links.headers,
    html: `<p>Offers.</p><p><a href="${links.oneClickUrl}">Unsubscribe</a> · <a href="${links.preferencesUrl}">Your choices</a></p>`,
  });
  transport.close();
  await until(() => peer.received.some(({ to }) => to.includes(email)));
  const { mail } = peer.received.find(({ to }) => to.includes(email)) ?? {};
  if (!mail) throw new Error('the mail did not arrive');
  const line = (name: string) =>
    (mail.headerLines.find(({ key }) => key === name)?.line ?? '')
      .replace(/\r?\n[ \t]+/g, ' ')
      .replace(/^[^:]+:\s*/, '');
  return { mail, unsubscribe: line('list-unsubscribe'), how: line('list-unsubscribe-post') };
}

/** A POST with nothing but what the caller gives: no cookies, no redirects, no extra headers. */
function post(
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number; headers: object }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) } },
      (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const URLENCODED = {
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: 'List-Unsubscribe=One-Click',
};
const MULTIPART = {
  headers: { 'content-type': 'multipart/form-data; boundary=yahoo42' },
  body: '--yahoo42\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--yahoo42--\r\n',
};

describe('one click in the mail app', () => {
  test.each([
    ['as Gmail posts it, urlencoded', 'gmail-reader@example.com', URLENCODED],
    ['as Yahoo posts it, multipart', 'yahoo-reader@example.com', MULTIPART],
  ])('%s: denied at once, told to sender and file, and proven by the receipt', async (_name, email, sent) => {
    const { unsubscribe, how } = await newsletter(email);
    expect(how).toBe('List-Unsubscribe=One-Click');
    const [http, mailto] = [...unsubscribe.matchAll(/<([^>]+)>/g)].map(([, uri]) => uri ?? '');
    expect(mailto).toMatch(/^mailto:[^@]{1,64}@/);
    const url = hush.url + new URL(http ?? '').pathname;
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    const answer = await post(url, sent.headers, sent.body);
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.headers).not.toHaveProperty('location');
    const decision = await hush.decide({ email });
    expect(decision).toMatchObject({ allowed: false, reason: 'opted_out' });
    await until(() => sendgrid.global.has(email));
    const file = path.join(hush.dir, 'suppressions');
    await until(async () => {
      const names = await readdir(file, { recursive: true }).catch(() => [] as string[]);
      const texts = await Promise.all(
        names.filter((name) => name.endsWith('.ndjson')).map((name) => readFile(path.join(file, name), 'utf8')),
      );
      return texts.some((text) => text.includes(email));
    });
    interface Receipt {
      readonly event: { at: string; recordedAt: string; type: string; source: { kind: string } };
      readonly destinations: { destination: string; status: string; at?: string }[];
    }
    const receipt = () => hush.ask<Receipt>(`/v1/receipts/${decision.receipt}`);
    await until(async () => (await receipt()).destinations.every(({ status }) => status === 'in_force'));
    const shown = await receipt();
    expect(shown).toMatchObject({ type: 'opted_out', source: { kind: 'one_click' } });
    expect(shown.destinations.map(({ destination }) => destination).sort()).toEqual(['file', 'sender']);
    for (const { at } of shown.destinations) expect(at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });
});

test('a bounce and a complaint by the sender’s signed webhook suppress the right person, in the other sender too', async () => {
  const at = Math.floor(Date.now() / 1000);
  const events = [
    {
      email: 'bounced@example.com',
      event: 'bounce',
      type: 'bounce',
      status: '5.1.1',
      timestamp: at,
      sg_event_id: 'b1',
    },
    { email: 'complained@example.com', event: 'spamreport', timestamp: at, sg_event_id: 'c1' },
  ];
  for (const { email } of events) await newsletter(email);
  const body = JSON.stringify(events);
  const signature = createSign('sha256').update(`${at}${body}`).sign(webhookKeys.privateKey, 'base64');
  const headers = {
    'content-type': 'application/json',
    'x-twilio-email-event-webhook-signature': signature,
    'x-twilio-email-event-webhook-timestamp': String(at),
  };
  expect((await post(`${hush.url}/hooks/sender`, headers, body.replace('bounced@', 'another@'))).status).toBe(401);
  expect((await post(`${hush.url}/hooks/sender`, headers, body)).status).toBe(200);
  expect(await hush.decide({ email: 'another@example.com' })).toMatchObject({ allowed: true });
  expect(await hush.decide({ email: 'bounced@example.com' })).toMatchObject({
    allowed: false,
    reason: 'undeliverable',
    fallbackChannel: 'mail',
  });
  expect(await hush.decide({ email: 'complained@example.com' })).toMatchObject({
    allowed: false,
    reason: 'complained',
  });
  await until(() => sendgrid.global.has('complained@example.com') && sendgrid.global.has('bounced@example.com'));
  expect((await post(`${hush.url}/hooks/sender`, headers, body)).status).toBeLessThan(500);
});

inBrowser.test(
  'a scanner that GETs and HEADs every link of the mail, with scripts on and no form submitted, changes nothing',
  async () => {
    const email = 'scanned-mail@example.com';
    const { mail, unsubscribe } = await newsletter(email);
    const found = [
      ...[...String(mail.html).matchAll(/href="([^"]+)"/g)].map(([, href]) => href ?? ''),
      ...[...unsubscribe.matchAll(/<(http[^>]+)>/g)].map(([, href]) => href ?? ''),
    ].map((href) => hush.url + new URL(href).pathname);
    expect(found).toHaveLength(3);
    const browser: Browser = await launch();
    try {
      for (const href of found) {
        expect((await fetch(href, { method: 'HEAD', redirect: 'manual' })).status).toBe(200);
        for (let times = 0; times < 2; times++) {
          const page = await browser.newPage();
          expect((await page.goto(href))?.status()).toBe(200);
          await page.waitForLoadState('networkidle');
          await page.close();
        }
      }
    } finally {
      await browser.close();
    }
    expect(await hush.decide({ email })).toMatchObject({ allowed: true, reason: 'not_objected' });
    const lookup = await hush.post('/v1/contacts/lookup', { contact: { email } });
    expect(await lookup.text()).not.toContain('opted_out');
  },
);
