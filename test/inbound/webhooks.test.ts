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

function signed(token: string, recipient: string, event = `event of ${recipient}`): string {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', SIGNING_KEY)
    .update(timestamp + token)
    .digest('hex');
  return JSON.stringify({
    signature: { timestamp, token, signature },
    'event-data': { event: 'unsubscribed', id: event, timestamp: Date.now() / 1000, recipient, tags: [] },
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
