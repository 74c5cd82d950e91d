import { describe, expect, test } from '@jest/globals';
import { brevo } from '../../../src/sync/destinations/brevo.js';
import { startBrevo } from '../../support/stand-ins/brevo.js';
import { batch, bind, build, conformance, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

conformance('Brevo', {
  secrets: ['xkeysib-stand-in'],
  bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
  async make({ wrongSecret } = {}) {
    const server = await startBrevo();
    const binding = bind({});
    return {
      destination: build(
        brevo,
        { apiKey: wrongSecret ? 'another-key' : server.apiKey, baseUrl: server.url, callsPerSecond: 10_000 },
        [binding],
      ),
      binding,
      server,
      suppressed: () => [...server.contacts].filter(([, out]) => out).map(([address]) => address),
      plant: (address) => server.contacts.set(address, true),
      close: server.close,
    };
  },
});

describe('Brevo', () => {
  strictSettings(brevo, { apiKey: 'x' }, {});

  test('calls keep under the limit of calls a second, and waiting ends with the deadline', async () => {
    const server = await startBrevo();
    const binding = bind({});
    const settings = { apiKey: server.apiKey, baseUrl: server.url, callsPerSecond: 20 };
    const destination = build(brevo, settings, [binding]);
    const begun = performance.now();
    await destination.send(binding, 'suppress', batch(6), never());
    expect(performance.now() - begun).toBeGreaterThan(240);
    const error = await faultOf(destination.send(binding, 'suppress', batch(100), AbortSignal.timeout(100)));
    expect(error.fault).toBe('unavailable');
    expect(server.asked.length).toBeLessThan(12);
    await server.close();
  });
});

describe('Brevo webhook', () => {
  const destination = () => build(brevo, { apiKey: 'x', webhookSecret: 'a-long-secret-in-the-url' }, [bind({})]);
  const signed = (body: string) =>
    inbound(body, {}, 'https://hush.example/hooks/brevo?secret=a-long-secret-in-the-url');
  const event = (fields: Record<string, unknown>) => ({
    email: 'ana@example.com',
    id: 7,
    ts_event: 1_777_000_000,
    ...fields,
  });
  const read = async (...events: unknown[]) => destination().receive?.(signed(JSON.stringify(events)), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify(event({ event: 'unsubscribe', camp_id: 3 })),
    unknown: { body: JSON.stringify(event({ event: 'teleported' })), kind: 'teleported' },
    coversBody: false,
    proof: [],
  });

  test('marketing and transactional spellings mean the same', async () => {
    const found = await read(
      ...[
        'unsubscribe',
        'unsubscribed',
        'spam',
        'hard_bounce',
        'hardBounce',
        'invalid_email',
        'soft_bounce',
        'blocked',
        'opened',
      ].map((kind) => event({ event: kind })),
    );
    expect(found?.reports.map((one) => [one.type, one.kind])).toEqual([
      ['opted_out', undefined],
      ['opted_out', undefined],
      ['complained', undefined],
      ['bounced', 'hard'],
      ['bounced', 'hard'],
      ['bounced', 'hard'],
      ['bounced', 'soft'],
    ]);
    expect(found?.unknown).toEqual([]);
  });
});
