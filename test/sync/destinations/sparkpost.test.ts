import { describe, expect, test } from '@jest/globals';
import { sparkpost } from '../../../src/sync/destinations/sparkpost.js';
import { startSparkpost } from '../../support/stand-ins/sparkpost.js';
import { bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

const manual = () => new Map([['non_transactional', 'Manually Added']]);

conformance('SparkPost', {
  secrets: ['sparkpost-stand-in-key'],
  bad: { address: 'broken@nowhere.invalid', outcome: 'refused' },
  async make({ wrongSecret } = {}) {
    const server = await startSparkpost();
    const binding = bind({});
    return {
      destination: build(sparkpost, { apiKey: wrongSecret ? 'another-key' : server.apiKey, baseUrl: server.url }, [
        binding,
      ]),
      binding,
      server,
      suppressed: () => [...server.held.keys()],
      plant: (address) => server.held.set(address, manual()),
      close: server.close,
    };
  },
});

describe('SparkPost', () => {
  strictSettings(sparkpost, { apiKey: 'x' }, { type: 'transactional' });

  test('a lift leaves service mail as it was, and an entry that may not be removed is parked without stopping the rest', async () => {
    const server = await startSparkpost();
    const binding = bind({});
    const destination = build(sparkpost, { apiKey: server.apiKey, baseUrl: server.url }, [binding]);
    server.held.set('both@example.com', new Map([...manual(), ['transactional', 'Bounce Rule']]));
    server.held.set('fixed@example.com', new Map([['non_transactional', 'Compliance']]));
    const sent = await destination.send(
      binding,
      'lift',
      [entry('both@example.com', 1), entry('fixed@example.com', 2)],
      never(),
    );
    expect(sent.parked?.map((one) => one.ref)).toEqual(['ref-2']);
    expect([...(server.held.get('both@example.com') ?? [])]).toEqual([['transactional', 'Bounce Rule']]);
    server.fault({ kind: 'answer', answer: { status: 403, json: {} } }, 0);
    server.fault({ kind: 'answer', answer: { status: 403, json: {} } }, 1);
    expect((await faultOf(destination.send(binding, 'lift', [entry('both@example.com')], never()))).fault).toBe(
      'credentials',
    );
    await server.close();
  });
});

describe('SparkPost webhook', () => {
  const destination = () =>
    build(sparkpost, { apiKey: 'x', webhookUser: 'hush', webhookPassword: 'the-password' }, [bind({})]);
  const authorization = `Basic ${Buffer.from('hush:the-password').toString('base64')}`;
  const signed = (body: string) => inbound(body, { authorization });
  const event = (group: string, fields: Record<string, unknown>) => ({
    msys: {
      [group]: { rcpt_to: 'ana@example.com', timestamp: '1777000000', event_id: '92356927693813856', ...fields },
    },
  });
  const read = async (...events: unknown[]) => destination().receive?.(signed(JSON.stringify(events)), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify([
      event('unsubscribe_event', { type: 'list_unsubscribe' }),
      event('message_event', { type: 'bounce', bounce_class: '10', event_id: '2' }),
    ]),
    unknown: { body: JSON.stringify([event('message_event', { type: 'teleport' })]), kind: 'teleport' },
    coversBody: false,
    proof: ['authorization'],
  });

  test('both kinds of unsubscribe, complaints, and bounces by class', async () => {
    const found = await read(
      event('unsubscribe_event', { type: 'list_unsubscribe', event_id: '1' }),
      event('unsubscribe_event', { type: 'link_unsubscribe', event_id: '2' }),
      event('message_event', { type: 'spam_complaint', event_id: '3' }),
      event('message_event', { type: 'bounce', bounce_class: '10', event_id: '4' }),
      event('message_event', { type: 'bounce', bounce_class: '21', event_id: '5' }),
      event('message_event', { type: 'out_of_band', bounce_class: '30', event_id: '6' }),
      event('message_event', { type: 'bounce', bounce_class: '25', event_id: '7' }),
      event('track_event', { type: 'open', event_id: '8' }),
      { msys: {} },
    );
    expect(found?.reports.map((one) => [one.type, one.kind])).toEqual([
      ['opted_out', undefined],
      ['opted_out', undefined],
      ['complained', undefined],
      ['bounced', 'hard'],
      ['bounced', 'soft'],
      ['bounced', 'hard'],
    ]);
    expect(found?.reports[0]).toMatchObject({
      at: 1_777_000_000_000,
      scope: { channel: 'email', purpose: 'marketing' },
    });
  });
});
