import { afterEach, describe, expect, test } from '@jest/globals';
import { iterable } from '../../../src/sync/destinations/iterable.js';
import { startIterable } from '../../support/stand-ins/iterable.js';
import { batch, bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

const places = [
  [{ channel: 7 }, { channel: 77 }, 'unsubscribedChannelIds'],
  [{ messageType: 8 }, { messageType: 77 }, 'unsubscribedMessageTypeIds'],
] as const;
for (const [target, gone, field] of places) {
  conformance(`Iterable, ${field}`, {
    secrets: ['iterable-stand-in-key'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    async make({ wrongSecret } = {}) {
      const server = await startIterable();
      const binding = bind(target);
      return {
        destination: build(iterable, { apiKey: wrongSecret ? 'another-key' : server.apiKey, baseUrl: server.url }, [
          binding,
        ]),
        binding,
        nowhere: bind(gone),
        server,
        suppressed: () => [...server.people].filter(([, one]) => one[field].length > 0).map(([address]) => address),
        close: server.close,
      };
    },
  });
}

describe('Iterable', () => {
  strictSettings(iterable, { apiKey: 'x' }, { channel: 7 });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (target: Record<string, unknown>) => {
    const server = await startIterable();
    open.push(server);
    const binding = bind(target);
    return { server, binding, destination: build(iterable, { apiKey: server.apiKey, baseUrl: server.url }, [binding]) };
  };

  test('what else the person is in or out of stays as it is, though an update replaces whole fields', async () => {
    const { server, binding, destination } = await start({ channel: 7 });
    server.put('a@example.com', { emailListIds: [9], unsubscribedChannelIds: [5] });
    await destination.send(binding, 'suppress', [entry('A@example.com')], never());
    expect(server.people.get('a@example.com')).toMatchObject({ emailListIds: [9], unsubscribedChannelIds: [5, 7] });
    await destination.send(binding, 'lift', [entry('A@example.com')], never());
    expect(server.people.get('a@example.com')?.unsubscribedChannelIds).toEqual([5]);
  });

  test('a list is left and never joined; who is not there is not created for it', async () => {
    const { server, binding, destination } = await start({ list: 9 });
    server.put('a@example.com', { emailListIds: [3, 9] });
    await destination.send(binding, 'suppress', ['a@example.com', 'new@example.com'].map(entry), never());
    expect([...server.people].map(([address, one]) => [address, one.emailListIds])).toEqual([['a@example.com', [3]]]);
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    expect(server.people.get('a@example.com')?.emailListIds).toEqual([3]);
  });

  test('an address that was not changed for no fault of its own is found out, and tried again', async () => {
    const { server, binding, destination } = await start({ channel: 7 });
    const answer = { status: 200, json: { invalidEmails: [], validEmailFailures: ['person0@example.com'] } };
    for (const [size, fault] of [
      [2, 'refused'],
      [1, 'unavailable'],
    ] as const) {
      // The places are known after the first time.
      const call = server.asked.length === 0 ? 2 + size : 1 + size;
      for (const one of batch(size)) server.put(one.address);
      server.people.forEach((one) => {
        one.unsubscribedChannelIds = [];
      });
      server.fault({ kind: 'answer', answer }, call - 1);
      expect((await faultOf(destination.send(binding, 'suppress', batch(size), never()))).fault).toBe(fault);
    }
  });
});

describe('Iterable webhook', () => {
  const bindings = [bind({ channel: 7 }, 'offers'), bind({ messageType: 8 }, 'shows', 'shows')];
  const destination = () =>
    build(iterable, { apiKey: 'x', webhookUser: 'hush', webhookPassword: 'the-password' }, bindings);
  const authorization = `Basic ${Buffer.from('hush:the-password').toString('base64')}`;
  const signed = (body: string) => inbound(body, { authorization });
  const event = (eventName: string, dataFields: Record<string, unknown> = {}) =>
    JSON.stringify({
      email: 'ana@example.com',
      eventName,
      dataFields: { createdAt: '2026-04-30 10:00:00 +00:00', campaignId: 59667, ...dataFields },
    });
  const read = async (...parts: Parameters<typeof event>) => destination().receive?.(signed(event(...parts)), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: event('emailUnSubscribe', { channelIds: [7], unsubSource: 'EmailLink' }),
    unknown: { body: event('teleport'), kind: 'teleport' },
    coversBody: false,
    proof: ['authorization'],
  });

  test('leaving a bound channel or message type denies its scope, anything else all email marketing', async () => {
    expect((await read('emailUnSubscribe', { channelIds: [7] }))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[0]?.scope, at: Date.UTC(2026, 3, 30, 10) },
    ]);
    expect((await read('emailUnSubscribe', { messageTypeIds: [8] }))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[1]?.scope },
    ]);
    expect((await read('emailUnSubscribe', { channelIds: [70] }))?.reports).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email', purpose: 'marketing' } },
    ]);
    expect((await read('emailSubscribe', { channelIds: [7] }))?.reports.map((one) => one.type)).toEqual(['opted_in']);
    expect((await read('emailSubscribe', {}))?.reports).toEqual([]);
  });

  test('what came through the interface is an echo', async () => {
    expect((await read('emailUnSubscribe', { channelIds: [7], unsubSource: 'API' }))?.reports).toEqual([]);
  });

  test('complaints and bounces', async () => {
    expect((await read('emailComplaint'))?.reports[0]?.type).toBe('complained');
    expect((await read('emailBounce', { recipientState: 'HardBounce' }))?.reports[0]?.kind).toBe('hard');
    expect((await read('emailBounce', { recipientState: 'SoftBounce' }))?.reports[0]?.kind).toBe('soft');
  });
});
