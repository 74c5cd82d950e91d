import { describe, expect, test } from '@jest/globals';
import { postmark } from '../../../src/sync/destinations/postmark.js';
import { startPostmark } from '../../support/stand-ins/postmark.js';
import { bind, build, conformance, entry, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

conformance('Postmark', {
  secrets: ['postmark-stand-in-token'],
  bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
  async make({ wrongSecret } = {}) {
    const server = await startPostmark();
    const binding = bind({ stream: 'broadcast' });
    return {
      destination: build(postmark, { serverToken: wrongSecret ? 'another-token' : server.token, baseUrl: server.url }, [
        binding,
      ]),
      binding,
      nowhere: bind({ stream: 'gone' }),
      server,
      suppressed: () => [...server.held.keys()],
      plant: (address) => server.held.set(address, { reason: 'ManualSuppression', origin: 'Recipient' }),
      close: server.close,
    };
  },
});

describe('Postmark', () => {
  strictSettings(postmark, { serverToken: 'x' }, { stream: 'x' });

  test('a spam complaint cannot be lifted: that address is parked, the others are lifted', async () => {
    const server = await startPostmark();
    const binding = bind({ stream: 'broadcast' });
    const destination = build(postmark, { serverToken: server.token, baseUrl: server.url }, [binding]);
    server.held.set('angry@example.com', { reason: 'SpamComplaint', origin: 'Recipient' });
    server.held.set('calm@example.com', { reason: 'ManualSuppression', origin: 'Customer' });
    const sent = await destination.send(
      binding,
      'lift',
      [entry('Angry@example.com', 1), entry('calm@example.com', 2)],
      never(),
    );
    await server.close();
    expect(sent.parked?.map((one) => one.ref)).toEqual(['ref-1']);
    expect([...server.held.keys()]).toEqual(['angry@example.com']);
  });
});

describe('Postmark webhook', () => {
  const settings = {
    serverToken: 'x',
    webhookUser: 'hush',
    webhookPassword: 'the-password',
    webhookFrom: ['198.51.100.7'],
  };
  const bindings = [bind({ stream: 'broadcast' })];
  const destination = () => build(postmark, settings, bindings);
  const authorization = `Basic ${Buffer.from('hush:the-password').toString('base64')}`;
  const signed = (body: string) => inbound(body, { authorization });
  const change = {
    RecordType: 'SubscriptionChange',
    MessageID: 'm1',
    MessageStream: 'broadcast',
    Recipient: 'ana@example.com',
    ChangedAt: '2026-04-30T10:00:00Z',
  };
  const read = async (fields: Record<string, unknown>) =>
    destination().receive?.(signed(JSON.stringify({ ...change, ...fields })), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify({
      ...change,
      SuppressSending: true,
      Origin: 'Recipient',
      SuppressionReason: 'ManualSuppression',
    }),
    unknown: { body: JSON.stringify({ RecordType: 'Teleport' }), kind: 'Teleport' },
    coversBody: false,
    proof: ['authorization'],
    unproven: [{ ...signed(JSON.stringify(change)), ip: '203.0.113.9' }],
  });

  test('leaving and returning count for the bound stream; another stream means all email marketing and opens nothing', async () => {
    expect(
      (await read({ SuppressSending: true, Origin: 'Recipient', SuppressionReason: 'ManualSuppression' }))?.reports,
    ).toMatchObject([{ type: 'opted_out', scope: bindings[0]?.scope }]);
    expect((await read({ SuppressSending: false, Origin: 'Recipient' }))?.reports).toMatchObject([
      { type: 'opted_in', scope: bindings[0]?.scope },
    ]);
    expect((await read({ SuppressSending: true, Origin: 'Recipient', MessageStream: 'else' }))?.reports).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email' } },
    ]);
    expect((await read({ SuppressSending: false, Origin: 'Recipient', MessageStream: 'else' }))?.reports).toEqual([]);
  });

  test('what was done through the API is not the word of the person', async () => {
    expect((await read({ SuppressSending: true, Origin: 'Customer' }))?.reports).toEqual([]);
    expect((await read({ SuppressSending: false, Origin: 'Customer' }))?.reports).toEqual([]);
  });

  test('bounces and complaints', async () => {
    const kinds = async (fields: Record<string, unknown>) =>
      (await read({ Email: 'ana@example.com', BouncedAt: '2026-04-30T10:00:00Z', ...fields }))?.reports.map((one) => [
        one.type,
        one.kind,
      ]);
    expect(await kinds({ RecordType: 'Bounce', Type: 'HardBounce' })).toEqual([['bounced', 'hard']]);
    expect(await kinds({ RecordType: 'Bounce', Type: 'SoftBounce' })).toEqual([['bounced', 'soft']]);
    expect(await kinds({ RecordType: 'SpamComplaint' })).toEqual([['complained', undefined]]);
  });
});
