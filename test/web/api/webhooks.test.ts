import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';
import { optOut } from '../../sync/reconciling.js';

interface Delivery {
  readonly id: string;
  readonly signatures: readonly string[];
  readonly body: string;
  readonly changes: readonly { readonly cursor: string; readonly contact: string }[];
  /** Whether the signature made with a secret is among those given. */
  signedWith(secret: string): boolean;
}
interface Webhook {
  readonly id: string;
  readonly state: string;
  readonly cursor: string;
  readonly behind: number;
  readonly secret: string;
  readonly disabledReason?: string;
  readonly lastError?: string;
}

/** Somebody who follows the specification's text: keeps what came, answers what it is told to. */
async function startReceiver() {
  const got: Delivery[] = [];
  const answers: (number | 'cut')[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8');
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': given } = request.headers;
      const signatures = String(given).split(' ');
      got.push({
        id: String(id),
        signatures,
        body,
        changes: JSON.parse(body).data.changes,
        signedWith(secret) {
          const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
          return signatures.includes(`v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`);
        },
      });
      const answer = answers.shift() ?? 204;
      if (answer === 'cut') request.socket.destroy();
      else response.writeHead(answer).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    got,
    answers,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const time = { now: Date.now() };
let hush: Hush;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
const subscribed: string[] = [];
let counter = 0;

beforeAll(async () => {
  receiver = await startReceiver();
  hush = await startHush({ destinations: [], machineTime: () => time.now });
});
afterEach(async () => {
  for (const id of subscribed.splice(0)) await remove(id);
  receiver.got.splice(0);
  receiver.answers.splice(0);
});
afterAll(async () => {
  await hush?.stop();
  await receiver?.close();
});

const remove = (id: string) =>
  fetch(`${hush.url}/v1/webhooks/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${KEY}` } });
const { API_KEY: KEY } = await import('../../support/hush.js');

async function subscribe(more: object = {}): Promise<Webhook> {
  const made = await hush.ask<Webhook>('/v1/webhooks', { url: receiver.url, ...more });
  subscribed.push(made.id);
  return made;
}
const see = (id: string) => hush.ask<Webhook>(`/v1/webhooks/${id}`);

/** Opt-outs of new people; resolves with their keys once their changes have numbers. */
async function change(people: number): Promise<string[]> {
  const events = Array.from({ length: people }, () => optOut(`reader${counter++}@example.com`));
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', { events });
  await hush.hush.projection.settle();
  await hush.hush.feed.tick();
  return accepted.map(({ contact }) => contact);
}
const delivered = () => receiver.got.flatMap(({ changes }) => changes.map(({ contact }) => contact));

describe('a webhook', () => {
  test('gets every change, in order, signed with the secret that was shown once', async () => {
    const { id, secret } = await subscribe();
    const people = await change(3);
    await until(() => delivered().length === 3);
    expect(new Set(delivered())).toEqual(new Set(people));
    expect(receiver.got.every((one) => one.signedWith(secret))).toBe(true);
    expect(await see(id)).not.toHaveProperty('secret');
    const stored = await hush.hush.stores.webhookSubscriptions.get(id);
    expect(stored?.secret.toString('latin1')).not.toContain(secret.slice(10, 30));
    await until(async () => (await see(id)).behind === 0);
  });

  test('a delivery that fails comes again as it was, under the same id, and nothing is left out or out of order', async () => {
    const { id } = await subscribe();
    receiver.answers.push(500, 'cut', 429);
    const first = await change(2);
    const seen = (n: number) =>
      until(async () => {
        time.now += 5_000;
        await hush.hush.webhooksOut.once();
        return receiver.got.length >= n;
      });
    await seen(1);
    expect(await see(id)).toMatchObject({ state: 'failing', lastError: expect.stringContaining('500') });
    const second = await change(2);
    await seen(5);
    const ids = receiver.got.map((one) => one.id);
    expect(new Set(ids.slice(0, 4)).size).toBe(1);
    expect(new Set(receiver.got.slice(0, 4).map((one) => one.body)).size).toBe(1);
    expect(ids[4]).not.toBe(ids[0]);
    const good = receiver.got.slice(3).flatMap(({ changes }) => changes.map(({ contact }) => contact));
    expect(new Set(good.slice(0, 2))).toEqual(new Set(first));
    expect(new Set(good.slice(2))).toEqual(new Set(second));
  });

  test('a receiver that fails for five days is disabled with the reason; enabled, it goes on without a gap', async () => {
    const { id } = await subscribe();
    receiver.answers.push(...Array.from({ length: 500 }, () => 503));
    const people = await change(2);
    let off = await see(id);
    for (let hours = 0; off.state !== 'disabled' && hours < 200; hours++) {
      time.now += 3_600_000;
      await hush.hush.webhooksOut.once();
      off = await see(id);
    }
    expect(off.disabledReason).toContain('5 days');
    expect(off.behind).toBe(2);
    receiver.answers.splice(0);
    receiver.got.splice(0);
    time.now += 3_600_000;
    await hush.hush.webhooksOut.once();
    expect(receiver.got).toEqual([]);
    await hush.ask(`/v1/webhooks/${id}/enable`, {});
    await until(() => delivered().length === 2);
    expect(new Set(delivered())).toEqual(new Set(people));
  });

  test('one that answers 410 Gone is disabled at once', async () => {
    const { id } = await subscribe();
    receiver.answers.push(410);
    await change(1);
    const off = await until(async () => {
      const now = await see(id);
      return now.state === 'disabled' && now;
    });
    expect(off).toMatchObject({ disabledReason: 'the receiver answered 410 Gone', behind: 1 });
  });

  test('is replayed from a cursor', async () => {
    const before = await subscribe();
    const people = await change(3);
    await until(() => delivered().length === 3);
    receiver.got.splice(0);
    await hush.ask(`/v1/webhooks/${before.id}/replay`, { after: before.cursor });
    await until(() => delivered().length === 3);
    expect(new Set(delivered())).toEqual(new Set(people));
    const ahead = await hush.post(`/v1/webhooks/${before.id}/replay`, { after: 'n999999' });
    expect(ahead.status).toBe(400);
  });

  test('after a rotation both secrets sign for a day, then the new one alone', async () => {
    const { id, secret } = await subscribe();
    const rotated = await hush.ask<Webhook>(`/v1/webhooks/${id}/rotate-secret`, {});
    expect(rotated.secret).not.toBe(secret);
    await change(1);
    await until(() => receiver.got.length === 1);
    expect(receiver.got[0]?.signedWith(secret) && receiver.got[0].signedWith(rotated.secret)).toBe(true);
    time.now += 86_400_001;
    await change(1);
    await until(() => receiver.got.length === 2);
    expect(receiver.got[1]?.signedWith(secret)).toBe(false);
    expect(receiver.got[1]?.signedWith(rotated.secret)).toBe(true);
  });

  test('a receiver that hangs holds nobody else up', async () => {
    let givenUp = false;
    const slow = createServer((_request, response) => {
      response.once('close', () => {
        givenUp = true;
      });
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    await subscribe({ url: `http://127.0.0.1:${(slow.address() as AddressInfo).port}/` });
    await subscribe();
    const people = await change(2);
    await until(() => delivered().length === 2);
    expect(givenUp).toBe(false);
    expect(new Set(delivered())).toEqual(new Set(people));
    slow.closeAllConnections();
    await new Promise((resolve) => slow.close(resolve));
  });

  test('is listed, deleted, and gone', async () => {
    const { id } = await subscribe({ description: 'the warehouse' });
    const { webhooks } = await hush.ask<{ webhooks: object[] }>('/v1/webhooks');
    expect(webhooks).toContainEqual(expect.objectContaining({ id, description: 'the warehouse', state: 'active' }));
    expect((await remove(id)).status).toBe(200);
    expect((await hush.get(`/v1/webhooks/${id}`)).status).toBe(404);
    await change(1);
    await hush.hush.webhooksOut.once();
    expect(receiver.got).toEqual([]);
  });

  test.each([
    ['no URL', { url: 'nonsense' }],
    ['another protocol', { url: 'ftp://example.com/' }],
    ['a password', { url: 'https://me:secret@example.com/' }],
    ['an unknown field', { url: 'https://example.com/', secret: 'x' }],
    ['a cursor ahead of the feed', { url: 'https://example.com/', after: 'n99999999' }],
  ])('with %s is refused', async (_name, body) => {
    const answer = await hush.post('/v1/webhooks', body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).not.toContain('secret@');
  });

  test('is in the description of the interface', async () => {
    const document = await hush.ask<{ paths: Record<string, unknown> }>('/v1/openapi.json');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/webhooks', '/v1/webhooks/{id}', '/v1/webhooks/{id}/replay']),
    );
  });
});

describe('outside development', () => {
  test('nothing is sent to a private address, whatever name leads there', async () => {
    const real = await startHush({
      destinations: [],
      env: { NODE_ENV: 'production', PUBLIC_URL: 'https://hush.example', SMTP_URL: 'smtp://127.0.0.1:9' },
    });
    try {
      for (const url of [
        'https://127.0.0.1/',
        'https://[::1]/',
        'https://localhost/',
        'https://10.0.0.8/',
        'http://example.com/',
      ])
        expect((await real.post('/v1/webhooks', { url })).status).toBe(400);
      // A name that leads home: known only when it is looked up.
      const named = receiver.url.replace('127.0.0.1', 'localhost').replace('http:', 'https:');
      const { subscription } = await real.hush.webhooksOut.subscribe({
        url: named,
        position: { number: 0, epoch: '' },
      });
      await real.ask('/v1/events', { events: [optOut('private@example.com')] });
      const failing = await until(async () => {
        const now = await real.ask<Webhook>(`/v1/webhooks/${subscription.id}`);
        return now.state === 'failing' && now;
      });
      expect(failing.lastError).toContain('private address');
      expect(receiver.got).toEqual([]);
    } finally {
      await real.stop();
    }
  });
});
