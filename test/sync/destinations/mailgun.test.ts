import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { mailgun } from '../../../src/sync/destinations/mailgun.js';
import { startMailgun } from '../../support/stand-ins/mailgun.js';
import { bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{}, { tag: 'offers' }]) {
  conformance(`Mailgun, ${'tag' in target ? 'a tag' : 'all tags'}`, {
    secrets: ['key-stand-in'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'refused' },
    async make({ wrongSecret } = {}) {
      const server = await startMailgun();
      const binding = bind(target);
      const tag = target.tag ?? '*';
      return {
        destination: build(
          mailgun,
          { apiKey: wrongSecret ? 'key-another' : server.apiKey, domain: 'mail.example.com', baseUrl: server.url },
          [binding],
        ),
        binding,
        server,
        suppressed: () => [...server.held].filter(([, tags]) => tags.has(tag)).map(([address]) => address),
        plant: (address) => server.held.set(address, new Set([tag])),
        close: server.close,
      };
    },
  });
}

describe('Mailgun', () => {
  strictSettings(mailgun, { apiKey: 'x', domain: 'd' }, { tag: 'x' });

  test('a domain that does not exist there is a fault of the settings: nobody is parked for it', async () => {
    const server = await startMailgun();
    const binding = bind({});
    const destination = build(mailgun, { apiKey: server.apiKey, domain: 'other.example.com', baseUrl: server.url }, [
      binding,
    ]);
    const error = await faultOf(destination.send(binding, 'suppress', [entry('a@example.com')], never()));
    await server.close();
    expect(error.fault).toBe('credentials');
  });

  test('lifting one tag leaves the person out of the others', async () => {
    const server = await startMailgun();
    const binding = bind({ tag: 'offers' });
    const destination = build(mailgun, { apiKey: server.apiKey, domain: 'mail.example.com', baseUrl: server.url }, [
      binding,
    ]);
    server.held.set('a@example.com', new Set(['offers', 'news']));
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    await server.close();
    expect([...(server.held.get('a@example.com') ?? [])]).toEqual(['news']);
  });
});

describe('Mailgun webhook', () => {
  const webhookSigningKey = 'signing-key-of-mailgun';
  const bindings = [bind({ tag: 'offers' }, 'offers'), bind({}, 'all')];
  const destination = () => build(mailgun, { apiKey: 'x', domain: 'd', webhookSigningKey }, bindings);
  const base = { id: 'W3X4JOhFT-OZidZGKKr9iA', timestamp: 1_777_000_000.471473, recipient: 'ana@example.com' };
  const signed = (body: string, at: number) => {
    const timestamp = String(Math.floor(at / 1000));
    const token = `token-${timestamp}`;
    const signature = createHmac('sha256', webhookSigningKey)
      .update(timestamp + token)
      .digest('hex');
    return inbound(body.replace('"SIGNATURE"', JSON.stringify({ timestamp, token, signature })), {});
  };
  const body = (fields: Record<string, unknown>) =>
    JSON.stringify({ signature: 'SIGNATURE', 'event-data': { ...base, ...fields } });
  const read = async (fields: Record<string, unknown>) => destination().receive?.(signed(body(fields), NOW), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: body({ event: 'unsubscribed' }),
    unknown: { body: body({ event: 'teleported' }), kind: 'teleported' },
    window: 8 * 3600 + 600,
    coversBody: false,
    proof: [],
    unproven: [
      inbound(JSON.stringify({ 'event-data': { ...base, event: 'unsubscribed' } }), {}),
      inbound(body({ event: 'unsubscribed' }), {}),
      inbound(
        body({ event: 'unsubscribed' }).replace(
          '"SIGNATURE"',
          JSON.stringify({ timestamp: String(NOW / 1000), token: 't', signature: 'a'.repeat(64) }),
        ),
        {},
      ),
    ],
  });

  test('the token is the replay key, since the signature does not cover the event', async () => {
    expect(await read({ event: 'unsubscribed' })).toMatchObject({
      replayKey: `token-${NOW / 1000}`,
      replayFor: 29_400,
    });
  });

  test('the letters of a signature belong to its time or to its token, never to the other', async () => {
    const seconds = String(NOW / 1000);
    for (const [timestamp, token] of [
      [seconds, 'e0ab'],
      [`${seconds}e0`, 'ab'],
      [seconds, '.0ab'],
      [`${seconds}.0`, 'ab'],
      [` ${seconds}`, 'ab'],
      [`0${seconds}`, 'ab'],
      [`+${seconds}`, 'ab'],
    ] as const) {
      const signature = createHmac('sha256', webhookSigningKey)
        .update(timestamp + token)
        .digest('hex');
      const text = body({ event: 'unsubscribed' }).replace(
        '"SIGNATURE"',
        JSON.stringify({ timestamp, token, signature }),
      );
      const received = destination().receive?.(inbound(text, {}), NOW);
      if (timestamp === seconds) expect((await received)?.replayKey).toBe(token);
      else await expect(received).rejects.toMatchObject({ kind: 'unauthorized' });
    }
  });

  test('an unsubscribe with a bound tag denies that scope, any other all email marketing', async () => {
    expect((await read({ event: 'unsubscribed', tags: ['offers'] }))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[0]?.scope },
    ]);
    expect((await read({ event: 'unsubscribed', tags: [] }))?.reports).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email', purpose: 'marketing' }, at: 1_777_000_000_471 },
    ]);
  });

  test('failures are hard only when permanent and about the mailbox', async () => {
    const kind = async (severity: string, reason: string) =>
      (await read({ event: 'failed', severity, reason }))?.reports[0]?.kind;
    expect(await kind('permanent', 'bounce')).toBe('hard');
    expect(await kind('permanent', 'espblock')).toBe('soft');
    expect(await kind('temporary', 'generic')).toBe('soft');
    expect(await kind('permanent', 'suppress-unsubscribe')).toBeUndefined();
    expect((await read({ event: 'complained' }))?.reports[0]?.type).toBe('complained');
  });
});
