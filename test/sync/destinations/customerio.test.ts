import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { customerio } from '../../../src/sync/destinations/customerio.js';
import { startCustomerio } from '../../support/stand-ins/customerio.js';
import { bind, build, conformance, entry, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ global: true }, { topic: 7 }]) {
  const isTopic = 'topic' in target;
  conformance(`Customer.io, ${isTopic ? 'a topic' : 'global'}`, {
    secrets: ['track-stand-in-key', 'app-stand-in-key'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    async make({ wrongSecret } = {}) {
      const server = await startCustomerio();
      const binding = bind(target);
      const settings = {
        siteId: 'site',
        apiKey: wrongSecret ? 'another-key' : server.apiKey,
        appKey: server.appKey,
        baseUrl: server.url,
        appUrl: server.url,
      };
      return {
        destination: build(customerio, settings, [binding]),
        binding,
        server,
        suppressed: () =>
          [...server.people]
            .filter(([, person]) => (isTopic ? person.topics.topic_7 === false : person.unsubscribed))
            .map(([address]) => address),
        plant: (address) => {
          server.personAt(address).unsubscribed = true;
        },
        close: server.close,
      };
    },
  });
}

describe('Customer.io', () => {
  strictSettings(customerio, { siteId: 'x', apiKey: 'x' }, { topic: 7 });

  test('leaving one topic changes no other', async () => {
    const server = await startCustomerio();
    const binding = bind({ topic: 7 });
    server.personAt('a@example.com').topics = { topic_6: true, topic_7: true };
    const destination = build(customerio, { siteId: 'site', apiKey: server.apiKey, baseUrl: server.url }, [binding]);
    await destination.send(binding, 'suppress', [entry('A@example.com')], never());
    await server.close();
    expect(server.people.get('a@example.com')).toEqual({
      unsubscribed: false,
      topics: { topic_6: true, topic_7: false },
    });
  });

  test('a person who is looked up has the time of leaving everything, and of a topic none', async () => {
    const server = await startCustomerio();
    const person = server.personAt('a@example.com');
    person.unsubscribed = true;
    person.topics = { topic_7: false };
    const settings = {
      siteId: 'site',
      apiKey: server.apiKey,
      appKey: server.appKey,
      baseUrl: server.url,
      appUrl: server.url,
    };
    for (const [target, hasTime] of [
      [{ global: true }, true],
      [{ topic: 7 }, false],
    ] as const) {
      const binding = bind(target);
      const found = await build(customerio, settings, [binding]).lookup?.(binding, ['a@example.com'], never());
      expect(found?.map((one) => [one.address, one.kind, 'at' in one])).toEqual([
        ['a@example.com', 'unsubscribed', hasTime],
      ]);
    }
    await server.close();
  });

  test('without the key of the App API nothing is read back', () => {
    const binding = bind({ global: true });
    const without = build(customerio, { siteId: 'x', apiKey: 'x' }, [binding]);
    expect([without.readBack, without.lookup]).toEqual([undefined, undefined]);
    const topic = build(customerio, { siteId: 'x', apiKey: 'x', appKey: 'x' }, [bind({ topic: 7 })]);
    expect([topic.readBack === undefined, topic.lookup === undefined]).toEqual([true, false]);
  });
});

describe('Customer.io reporting webhook', () => {
  const webhookKey = 'the-signing-key';
  const bindings = [bind({ global: true }, 'all'), bind({ topic: 7 }, 'offers')];
  const destination = () => build(customerio, { siteId: 'x', apiKey: 'x', webhookKey }, bindings);
  const signed = (body: string, at: number) => {
    const stamp = String(Math.floor(at / 1000));
    const signature = createHmac('sha256', webhookKey).update(`v0:${stamp}:${body}`).digest('hex');
    return inbound(body, { 'x-cio-signature': signature, 'x-cio-timestamp': stamp });
  };
  const event = (object_type: string, metric: string, data: Record<string, unknown> = {}) =>
    JSON.stringify({
      event_id: '01E4C4CT6YDC7Y5M7FE1GWWPQJ',
      object_type,
      metric,
      timestamp: 1_777_000_000,
      data: { email_address: 'ana@example.com', identifiers: { id: '42', email: 'ana@example.com' }, ...data },
    });
  const read = async (...parts: Parameters<typeof event>) => destination().receive?.(signed(event(...parts), NOW), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: event('email', 'unsubscribed', { recipient: 'ana@example.com', delivery_id: 'd1' }),
    unknown: { body: event('email', 'teleported'), kind: 'email teleported' },
    window: 600,
    proof: ['x-cio-signature', 'x-cio-timestamp'],
  });

  test('unsubscribing in a message denies; the same without a message behind it is an echo', async () => {
    expect((await read('customer', 'unsubscribed', { delivery_id: 'd1' }))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[0]?.scope },
    ]);
    expect(await read('customer', 'unsubscribed')).toMatchObject({ reports: [], unknown: [] });
    expect((await read('customer', 'subscribed', { delivery_id: 'd1' }))?.reports[0]?.type).toBe('opted_in');
  });

  test('changed preferences count for the topics we are bound to', async () => {
    const content = JSON.stringify({ topics: { topic_6: false, topic_7: false } });
    const found = await read('customer', 'cio_subscription_preferences_changed', { content, delivery_id: 'd1' });
    expect(found?.reports.map((one) => [one.type, one.scope])).toEqual([['opted_out', bindings[1]?.scope]]);
    const back = JSON.stringify({ topics: { topic_7: true } });
    const returned = await read('email', 'cio_subscription_preferences_changed', { content: back, delivery_id: 'd1' });
    expect(returned?.reports.map((one) => one.type)).toEqual(['opted_in']);
    expect((await read('customer', 'cio_subscription_preferences_changed', { content }))?.reports).toEqual([]);
  });

  test('complaints and bounces', async () => {
    expect((await read('email', 'spammed'))?.reports[0]?.type).toBe('complained');
    expect((await read('email', 'bounced'))?.reports[0]).toMatchObject({ type: 'bounced', kind: 'hard' });
    expect(await read('email', 'opened')).toMatchObject({ reports: [], unknown: [] });
  });
});
