import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';

const SIGNING_KEY = 'signing-key-of-mailgun';
const webhook = (name: string, settings: object, target: object) => ({
  name,
  adapter: name,
  role: 'processor',
  settings: { ...settings, baseUrl: 'http://127.0.0.1:9' },
  bindings: [{ name: 'offers', brand: 'jmf', channel: 'email', purpose: 'promotion', target }],
});
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({
    destinations: [
      webhook('mailgun', { apiKey: 'key', domain: 'mail.example.com', webhookSigningKey: SIGNING_KEY }, { tag: '*' }),
      webhook('postmark', { serverToken: 'x', webhookUser: 'pm', webhookPassword: 'secret' }, { stream: 'broadcast' }),
      webhook('klaviyo', { apiKey: 'pk_x', webhookSecret: 'a-secret-of-klaviyo' }, { global: true }),
    ],
    env: { HUSH_SMS_AUTH_TOKEN: 'twilio-token-of-32-letters-or-so', HUSH_SMS_NUMBERS: '+19205550100=jmf' },
    limits: { badTokens: 600, forms: 5, denials: 5, badKeys: 600 },
  });
});
afterAll(() => hush?.stop());

/** Sends the head of a request, and of its body as much as is given; the status that is answered before the rest has come. */
function answeredEarly(path: string, headers: Record<string, string | number>, first = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(hush.url + path, { method: 'POST', headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
    sent.on('error', reject);
    if (first === '') sent.flushHeaders();
    else sent.write(first);
  });
}
const json = { 'content-type': 'application/json' };
const MUCH = 4_000_000;

describe('whoever has no key is answered before one byte of the body is read', () => {
  test.each([
    ['/v1/events', {}],
    ['/v1/decisions/batch', {}],
    ['/v1/links', { authorization: 'Bearer hk_unknown' }],
    ['/v1/consents', {}],
    ['/v1/contacts/link', {}],
    ['/v1/contacts/replace', {}],
    ['/v1/requests', {}],
    ['/v1/webhooks', {}],
    ['/v1/imports', { 'content-type': 'text/csv' }],
    ['/v1/scrub', { 'content-type': 'text/csv' }],
    ['/hooks/mail', { 'content-type': 'message/rfc822' }],
  ])('%s', async (path, headers) => {
    expect(await answeredEarly(path, { ...json, 'content-length': MUCH, ...headers })).toBe(401);
    // Not even what is no JSON is found to be none.
    const broken = await hush.post(path, '{"half":', { authorization: 'Bearer hk_unknown', ...headers });
    expect(broken.status).toBe(401);
  });

  test('a key without the scope has nothing read either', async () => {
    const { key } = await hush.hush.stores.apiKeys.create('narrow', ['decisions']);
    expect(await answeredEarly('/v1/events', { ...json, authorization: `Bearer ${key}`, 'content-length': MUCH })).toBe(
      403,
    );
  });

  test('a file for the console', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': MUCH };
    expect(await answeredEarly('/staff/requests/q_1/files', headers)).toBe(401);
  });
});

describe('a webhook is looked at from outside before it is read', () => {
  test('one for a name that nobody has is 404', async () => {
    expect(await answeredEarly('/hooks/nobody', { ...json, 'content-length': MUCH })).toBe(404);
  });

  test('one whose password is wrong, or that carries no signature, is 401', async () => {
    const wrong = `Basic ${Buffer.from('pm:guess').toString('base64')}`;
    expect(await answeredEarly('/hooks/postmark', { ...json, 'content-length': MUCH, authorization: wrong })).toBe(401);
    expect(await answeredEarly('/hooks/klaviyo', { ...json, 'content-length': MUCH })).toBe(401);
    expect(await answeredEarly('/hooks/sms', { 'content-length': 60_000 })).toBe(401);
  });

  test('one that only its body can prove has 1 MB, by its own word and as it comes', async () => {
    expect(await answeredEarly('/hooks/mailgun', { ...json, 'content-length': MUCH })).toBe(413);
    // Without a length of its own it is cut at the limit; the rest is dropped as it comes.
    const pieces = new Blob(['x'.repeat(1_100_000)]).stream();
    const chunked = await fetch(`${hush.url}/hooks/mailgun`, {
      method: 'POST',
      body: pieces,
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('one that is genuine is taken', async () => {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', SIGNING_KEY).update(`${timestamp}t`).digest('hex');
    const event = {
      event: 'unsubscribed',
      id: 'e1',
      timestamp: Date.now() / 1000,
      recipient: 'genuine@example.com',
      tags: [],
    };
    const body = { signature: { timestamp, token: 't', signature }, 'event-data': event };
    expect((await hush.post('/hooks/mailgun', body)).status).toBe(200);
    expect((await hush.decide({ email: 'genuine@example.com' })).allowed).toBe(false);
  });
});

test('a text with more fields than Twilio sends is refused before they are sorted', async () => {
  const body = Array.from({ length: 5000 }, (_, n) => `f${n}=`).join('&');
  const answer = await hush.post('/hooks/sms', body, {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': 'x',
  });
  expect(answer.status).toBe(401);
});

describe('a form', () => {
  const form = (kind: string, network: string) =>
    fetch(`${hush.url}/rights`, {
      method: 'POST',
      headers: { 'x-network': network },
      body: new URLSearchParams({ kind, address: `${kind}@example.com`, name: 'Ana Doe' }),
    });

  test('that says it is too large is 413 before it is read', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 600_000_000 };
    expect(await answeredEarly('/rights', headers)).toBe(413);
  });

  test('what other forms use up leaves room to opt out', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 7; n++) statuses.push((await form('access', 'a')).status);
    expect(statuses).toContain(429);
    const stop = await fetch(`${hush.url}/preferences`, {
      method: 'POST',
      body: new URLSearchParams({ act: 'stop', address: 'room@example.com' }),
    });
    expect(stop.status).toBe(200);
    expect((await hush.decide({ email: 'room@example.com' })).allowed).toBe(false);
  });
});

test('one-click counts whatever the body is: sixty thousand parts, half a form, megabytes', async () => {
  const parts = Array.from(
    { length: 60_000 },
    (_, n) => `--b\r\nContent-Disposition: form-data; name="f${n}"\r\n\r\nx\r\n`,
  ).join('');
  for (const [n, body] of [parts, '--b\r\nContent-Disposition: form-d', 'x'.repeat(3_000_000)].entries()) {
    const contact = { email: `body${n}@example.com` };
    const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
      contact,
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
    });
    const url = new URL(oneClickUrl);
    const socket = connect(Number(new URL(hush.url).port));
    socket.on('error', () => undefined);
    const status = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data).slice(0, 12))));
    socket.write(
      `POST ${url.pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await status).toBe('HTTP/1.1 200');
    socket.destroy();
    expect((await hush.decide(contact)).allowed).toBe(false);
  }
});

test('many person-wide events of one request leave the store to others', async () => {
  const { persons } = hush.hush.stores;
  const { addMembers } = persons;
  let now = 0;
  let most = 0;
  Object.assign(persons, {
    async addMembers(...args: Parameters<typeof addMembers>) {
      most = Math.max(most, ++now);
      try {
        return await addMembers(...args);
      } finally {
        now--;
      }
    },
  });
  try {
    const events = Array.from({ length: 60 }, (_, n) => ({
      contact: { email: `wide${n}@example.com` },
      type: 'opted_out',
      reach: 'person',
      source: { kind: 'api' },
    }));
    const { accepted } = await hush.ask<{ accepted: unknown[] }>('/v1/events', { events });
    expect(accepted).toHaveLength(60);
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(0);
  } finally {
    Object.assign(persons, { addMembers });
  }
});

describe('mail that a form causes is limited by its recipient', () => {
  const victim = 'victim@example.com';
  const mailsTo = async (address: string) =>
    (await hush.hush.stores.mailbox.list()).filter(({ to }) => to.includes(address)).length;

  test('whichever field names it: as the agent of twelve others, it gets three requests’ mail at most', async () => {
    const generous = await startHush({ destinations: [], limits: { badTokens: 600, forms: 600, badKeys: 600 } });
    try {
      for (let n = 0; n < 8; n++) {
        const answer = await fetch(`${generous.url}/rights`, {
          method: 'POST',
          body: new URLSearchParams({
            kind: 'access',
            who: 'agent',
            name: `Person ${n}`,
            address: `person${n}@example.com`,
            agentName: 'Any Agent',
            agentEmail: victim,
          }),
        });
        expect(answer.status).toBe(200);
      }
      await generous.hush.outbox.settle();
      const mails = (await generous.hush.stores.mailbox.list()).filter(({ to }) => to.includes(victim));
      expect(mails.length).toBeGreaterThan(0);
      expect(mails.length).toBeLessThanOrEqual(3);
    } finally {
      await generous.stop();
    }
    expect(await mailsTo(victim)).toBe(0);
  });
});
