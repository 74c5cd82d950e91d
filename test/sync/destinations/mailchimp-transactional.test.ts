import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { mailchimpTransactional } from '../../../src/sync/destinations/mailchimp-transactional.js';
import { startMandrill } from '../../support/stand-ins/mailchimp-transactional.js';
import { bind, build, conformance, entry, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{}, { subaccount: 'offers' }]) {
  conformance(`Mailchimp Transactional, ${'subaccount' in target ? 'a subaccount' : 'the account'}`, {
    secrets: ['mandrill-stand-in-key'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    async make({ wrongSecret } = {}) {
      const server = await startMandrill();
      const binding = bind(target);
      return {
        destination: build(
          mailchimpTransactional,
          { apiKey: wrongSecret ? 'another-key' : server.key, baseUrl: server.url },
          [binding],
        ),
        binding,
        nowhere: bind({ subaccount: 'gone' }),
        server,
        suppressed: () => [...(server.lists.get(target.subaccount ?? '')?.keys() ?? [])],
        close: server.close,
      };
    },
  });
}

describe('Mailchimp Transactional', () => {
  strictSettings(mailchimpTransactional, { apiKey: 'x' }, { subaccount: 'x' });

  test('an address on the allowlist cannot be suppressed: it is parked, and the reason says what to do', async () => {
    const server = await startMandrill();
    const binding = bind({});
    const destination = build(mailchimpTransactional, { apiKey: server.key, baseUrl: server.url }, [binding]);
    server.allowed.add('vip@example.com');
    const sent = await destination.send(binding, 'suppress', ['vip@example.com', 'b@example.com'].map(entry), never());
    await server.close();
    expect(sent.parked).toEqual([{ ref: 'ref-0', why: 'the address is on the allowlist there: take it off' }]);
    expect([...(server.lists.get('')?.keys() ?? [])]).toEqual(['b@example.com']);
  });

  test('a hard bounce and a complaint are looked up under their own kind', async () => {
    const server = await startMandrill();
    const binding = bind({});
    const destination = build(mailchimpTransactional, { apiKey: server.key, baseUrl: server.url }, [binding]);
    server.lists.get('')?.set('gone@example.com', 'hard-bounce').set('angry@example.com', 'spam');
    const found = await destination.lookup?.(binding, ['gone@example.com', 'angry@example.com'], never());
    await server.close();
    expect(found).toEqual([
      { address: 'gone@example.com', kind: 'bounced', at: Date.UTC(2026, 2, 1, 10) },
      { address: 'angry@example.com', kind: 'complained', at: Date.UTC(2026, 2, 1, 10) },
    ]);
  });
});

describe('Mailchimp Transactional webhook', () => {
  const webhookKey = 'the-key-of-the-webhook';
  const url = 'https://hush.example/hooks/mandrill';
  const destination = () => build(mailchimpTransactional, { apiKey: 'x', webhookKey }, [bind({})]);
  const signed = (events: string, key = webhookKey) => {
    const signature = createHmac('sha1', key).update(`${url}mandrill_events${events}`).digest('base64');
    return inbound(
      new URLSearchParams({ mandrill_events: events }).toString(),
      { 'x-mandrill-signature': signature },
      url,
    );
  };
  const event = (fields: Record<string, unknown>) => ({
    _id: 'm1',
    ts: 1_777_000_000,
    msg: { email: 'ana+x@example.com' },
    ...fields,
  });
  const read = async (...events: unknown[]) => destination().receive?.(signed(JSON.stringify(events)), NOW);

  receiving({
    destination,
    sign: (body) => signed(body),
    genuine: JSON.stringify([event({ event: 'unsub' }), event({ event: 'hard_bounce', _id: 'm2' })]),
    unknown: { body: JSON.stringify([event({ event: 'teleport' })]), kind: 'teleport' },
    proof: ['x-mandrill-signature'],
    unproven: [signed(JSON.stringify([event({ event: 'unsub' })]), 'test-webhook')],
  });

  test('the trial calls before a webhook has a key are answered and report nothing', async () => {
    expect(await destination().receive?.(signed('[]', 'test-webhook'), NOW)).toEqual({ reports: [], unknown: [] });
    expect(await destination().receive?.({ ...signed('[]'), method: 'HEAD', headers: {} }, NOW)).toEqual({
      reports: [],
      unknown: [],
    });
  });

  test('unsubscribes, complaints and bounces are reported; echoes of the denylist are not', async () => {
    const found = await read(
      ...['unsub', 'spam', 'hard_bounce', 'soft_bounce', 'reject', 'open'].map((kind) => event({ event: kind })),
      { type: 'blacklist', action: 'add', ts: 1_777_000_000, reject: { email: 'x@example.com', reason: 'custom' } },
    );
    expect(found?.reports.map((one) => [one.type, one.kind, one.address.value])).toEqual([
      ['opted_out', undefined, 'ana+x@example.com'],
      ['complained', undefined, 'ana+x@example.com'],
      ['bounced', 'hard', 'ana+x@example.com'],
      ['bounced', 'soft', 'ana+x@example.com'],
    ]);
    expect(found?.unknown).toEqual([]);
  });
});
