import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';

const SIGNING_KEY = 'signing-key-of-mailgun';
let hush: Hush;

beforeAll(async () => {
  hush = await startHush({
    destinations: [
      {
        name: 'mailgun',
        adapter: 'mailgun',
        role: 'processor',
        settings: {
          apiKey: 'key',
          domain: 'mail.example.com',
          baseUrl: 'http://127.0.0.1:9',
          webhookSigningKey: SIGNING_KEY,
        },
        bindings: [{ name: 'offers', brand: 'jmf', channel: 'email', purpose: 'promotion', target: { tag: '*' } }],
      },
    ],
  });
});
afterAll(() => hush?.stop());

function signed(token: string, recipient: string, event = `event of ${recipient}`, more: object = {}): string {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', SIGNING_KEY)
    .update(timestamp + token)
    .digest('hex');
  return JSON.stringify({
    signature: { timestamp, token, signature },
    'event-data': { event: 'unsubscribed', id: event, timestamp: Date.now() / 1000, recipient, tags: [], ...more },
  });
}
const denied = async (addresses: readonly string[]) => {
  const answers = await Promise.all(addresses.map((email) => hush.decide({ email })));
  return addresses.filter((_, index) => answers[index]?.allowed === false);
};

describe('a signature that does not cover the event', () => {
  test('counts for one event, though it comes twelve times at once', async () => {
    const people = Array.from({ length: 12 }, (_, index) => `twelve${index}@example.com`);
    const statuses = await Promise.all(
      people.map(async (one) => (await hush.post('/hooks/mailgun', signed('used-by-twelve', one))).status),
    );
    expect(await denied(people)).toHaveLength(1);
    expect(statuses.sort()).toEqual([200, ...Array(11).fill(401)]);
  });

  test('counts for that event again when the provider repeats itself, and records it once', async () => {
    await hush.settle();
    const [ledger] = hush.hush.stores.ledger.models;
    const before = await ledger.countDocuments();
    const body = signed('repeated', 'repeated@example.com');
    for (const response of await Promise.all([1, 2, 3].map(() => hush.post('/hooks/mailgun', body))))
      expect(response.status).toBe(200);
    expect(await denied(['repeated@example.com'])).toHaveLength(1);
    await hush.settle();
    expect((await ledger.countDocuments()) - before).toBe(1);
  });
});

describe('a hard bounce that a provider reports', () => {
  const failed = (message: string) => ({
    event: 'failed',
    severity: 'permanent',
    'delivery-status': { code: 550, message },
  });
  test.each([
    ['5.1.0 Sender rejected', true],
    ['5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org', true],
    ['5.1.1 The email account that you tried to reach does not exist', false],
  ])('with the words %s leaves the address reachable: %s', async (words, allowed) => {
    const email = `bounced${Buffer.from(words).toString('hex').slice(0, 40)}@example.com`;
    const body = signed(`bounce ${words}`, email, `bounce of ${email}`, failed(words));
    expect((await hush.post('/hooks/mailgun', body)).status).toBe(200);
    await hush.settle();
    expect((await hush.decide({ email }, 'service')).allowed).toBe(allowed);
  });
});
