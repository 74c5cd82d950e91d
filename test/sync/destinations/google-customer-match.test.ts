import { afterEach, describe, expect, test } from '@jest/globals';
import type { Entry } from '../../../src/sync/destination.js';
import { googleCustomerMatch } from '../../../src/sync/destinations/google-customer-match.js';
import { startGoogleAds } from '../../support/stand-ins/google-ads.js';
import { batch, bind, build, conformance, entry, faultOf, never, ODD, settle, strictSettings } from './conformance.js';
import { hashedEmail, nothingReadable, sha256 } from './hashes.js';

const settingsOf = (server: { url: string; refreshToken: string }, more: Record<string, unknown> = {}) => ({
  customerId: '123',
  developerToken: 'developer-stand-in',
  clientId: 'client',
  clientSecret: 'google-stand-in-secret',
  refreshToken: server.refreshToken,
  baseUrl: server.url,
  tokenUrl: `${server.url}/token`,
  ...more,
});

for (const use of ['exclusion', 'seed', 'retargeting'] as const) {
  conformance(`Google Customer Match, ${use}`, {
    secrets: ['google-stand-in-secret', 'google-stand-in-refresh', 'developer-stand-in'],
    form: hashedEmail,
    lifts: use === 'exclusion',
    async make({ wrongSecret } = {}) {
      const server = await startGoogleAds();
      const binding = bind({ audience: '456', use });
      const more = wrongSecret ? { refreshToken: 'another-token' } : {};
      return {
        destination: build(googleCustomerMatch, settingsOf(server, more), [binding]),
        binding,
        nowhere: bind({ audience: '457', use }),
        server,
        suppressed: () => [...(use === 'exclusion' ? server.members : server.removed)],
        close: server.close,
      };
    },
  });
}

describe('Google Customer Match', () => {
  strictSettings(googleCustomerMatch, settingsOf({ url: 'http://x.example', refreshToken: 'x' }), {
    audience: '1',
    use: 'seed',
  });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (use: string, now?: () => number) => {
    const server = await startGoogleAds();
    open.push(server);
    const binding = bind({ audience: '456', use });
    const destination = build(googleCustomerMatch, settingsOf(server), [binding], now ? { now } : {});
    return { server, binding, destination };
  };

  test('addresses are normalised as Google does before they are hashed, and nothing readable leaves', async () => {
    const { server, binding, destination } = await start('exclusion');
    const phone: Entry = { ...entry('+14155552671', 9), type: 'phone' };
    const given = [' Ana.Maria+offers@GMail.com', 'a.b+c@googlemail.com', 'Keep.Dots+tag@Example.com'].map(entry);
    await settle(destination, binding, 'suppress', [...given, phone]);
    expect([...server.members].sort()).toEqual(
      ['anamaria@gmail.com', 'ab@googlemail.com', 'keep.dots+tag@example.com', '+14155552671'].map(sha256).sort(),
    );
    expect(nothingReadable(server.asked, ['example.com', 'gmail', '4155552671', 'ref-', 'opted_out'])).toBe(true);
  });

  test('a lift puts nobody into a seed or retargeting audience', async () => {
    for (const use of ['seed', 'retargeting']) {
      const { server, binding, destination } = await start(use);
      expect(await destination.send(binding, 'lift', batch(2), never())).toEqual({ status: 'in_force' });
      expect(server.asked).toEqual([]);
    }
  });

  test('a refused operation is parked, the others are run', async () => {
    const { server, binding, destination } = await start('exclusion');
    server.refusedHashes.add(hashedEmail('person1@example.com'));
    const { parked } = await settle(destination, binding, 'suppress', batch(3));
    expect(parked).toEqual([{ ref: 'ref-1', why: 'The identifier is not valid' }]);
    expect([...server.members].sort()).toEqual([0, 2].map((i) => hashedEmail(`person${i}@example.com`)).sort());
  });

  test('a job that failed is told as failed, so that the batch is sent again', async () => {
    const { server, binding, destination } = await start('exclusion');
    const { job = '' } = await destination.send(binding, 'suppress', batch(1), never());
    const json = { results: [{ offlineUserDataJob: { status: 'FAILED' } }] };
    server.fault({ kind: 'answer', answer: { status: 200, json } });
    expect(await destination.poll?.(job, never())).toBe('failed');
    expect(await destination.poll?.(job, never())).toBe('working');
    expect(await destination.poll?.(job, never())).toBe('done');
  });

  test('an access token serves until shortly before its end, and one that is refused is not used again', async () => {
    let now = 1_000_000;
    const { server, binding, destination } = await start('exclusion', () => now);
    for (let i = 0; i < 2; i++) await destination.send(binding, 'suppress', batch(1), never());
    expect(server.tokens()).toBe(1);
    now += 3_540_000;
    await destination.send(binding, 'suppress', batch(1), never());
    expect(server.tokens()).toBe(2);
    server.endTokens();
    expect((await faultOf(destination.send(binding, 'suppress', batch(1), never()))).fault).toBe('credentials');
    expect((await destination.send(binding, 'suppress', batch(1), never())).status).toBe('accepted');
  });

  const CODE = 'CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE';
  const failure = { errors: [{ errorCode: { notAllowlistedError: CODE }, message: 'not allowed' }] };
  const located = {
    errors: [0, 1, 2].map((index) => ({
      errorCode: { notAllowlistedError: CODE },
      message: 'not allowed',
      location: { fieldPathElements: [{ fieldName: 'operations', index }] },
    })),
  };
  test.each([
    ['at creation', 1, { status: 400, json: { error: { message: 'refused', details: [failure] } } }],
    ['at addOperations', 2, { status: 400, json: { error: { message: 'refused', details: [failure] } } }],
    ['in part of an answer', 2, { status: 200, json: { partialFailureError: { message: 'x', details: [failure] } } }],
    ['of every operation', 2, { status: 200, json: { partialFailureError: { message: 'x', details: [located] } } }],
    ['as a 403', 1, { status: 403, json: { error: { message: 'refused', details: [failure] } } }],
    [
      'at the end of a long answer',
      1,
      { status: 400, text: JSON.stringify({ error: { message: 'x'.repeat(3000), details: [failure] } }, undefined, 2) },
    ],
  ])(
    'an account that may not use Customer Match stops the destination for good, and says what to move to, %s',
    async (_at, skip, answer) => {
      const { server, binding, destination } = await start('exclusion');
      server.fault({ kind: 'answer', answer }, skip);
      const fault = await faultOf(destination.send(binding, 'suppress', batch(3), never()));
      expect([fault.fault, fault.untilResumed]).toEqual(['credentials', true]);
      expect(fault.message).toContain(CODE);
      expect(fault.message).toContain('adapter: google-data-manager');
    },
  );

  test('other refusals of the account stop it for a while only', async () => {
    const { server, binding, destination } = await start('exclusion');
    const json = { error: { message: 'DEVELOPER_TOKEN_NOT_APPROVED' } };
    server.fault({ kind: 'answer', answer: { status: 403, json } }, 1);
    const fault = await faultOf(destination.send(binding, 'suppress', batch(3), never()));
    expect([fault.fault, fault.untilResumed]).toEqual(['credentials', false]);
  });

  test('another job on the same list is waited for', async () => {
    const { server, binding, destination } = await start('exclusion');
    const json = { error: { message: 'CONCURRENT_MODIFICATION' } };
    server.fault({ kind: 'answer', answer: { status: 400, json } }, 2);
    expect((await faultOf(destination.send(binding, 'suppress', ODD.map(entry), never()))).fault).toBe('unavailable');
  });
});
