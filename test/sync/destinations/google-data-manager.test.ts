import { afterEach, describe, expect, test } from '@jest/globals';
import type { Entry } from '../../../src/sync/destination.js';
import { googleDataManager } from '../../../src/sync/destinations/google-data-manager.js';
import { dataManagerError, startGoogleDataManager } from '../../support/stand-ins/google-data-manager.js';
import { batch, bind, build, conformance, entry, faultOf, never, settle, strictSettings } from './conformance.js';
import { hashedEmail, nothingReadable, sha256 } from './hashes.js';

const settingsOf = (server: { url: string; refreshToken: string }, more: Record<string, unknown> = {}) => ({
  account: { id: '123' },
  loginAccount: { id: '100' },
  clientId: 'client',
  clientSecret: 'google-stand-in-secret',
  refreshToken: server.refreshToken,
  customerMatchTerms: 'accepted',
  baseUrl: server.url,
  tokenUrl: `${server.url}/token`,
  ...more,
});
const BAD = 'broken@nowhere.invalid';

for (const use of ['exclusion', 'seed', 'retargeting'] as const) {
  conformance(`Google Data Manager, ${use}`, {
    secrets: ['google-stand-in-secret', 'google-stand-in-refresh'],
    form: hashedEmail,
    lifts: use === 'exclusion',
    bad: { address: BAD, outcome: 'parked' },
    async make({ wrongSecret } = {}) {
      const server = await startGoogleDataManager();
      server.invalidHashes.add(hashedEmail(BAD));
      const binding = bind({ audience: '456', use });
      const more = wrongSecret ? { refreshToken: 'another-token' } : {};
      return {
        destination: build(googleDataManager, settingsOf(server, more), [binding]),
        binding,
        nowhere: bind({ audience: '457', use }),
        server,
        suppressed: () => [...(use === 'exclusion' ? server.members : server.removed)],
        close: server.close,
      };
    },
  });
}

describe('Google Data Manager', () => {
  strictSettings(googleDataManager, settingsOf({ url: 'http://x.example', refreshToken: 'x' }), {
    audience: '1',
    use: 'seed',
  });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (use: string, more: Record<string, unknown> = {}, target: Record<string, unknown> = {}) => {
    const server = await startGoogleDataManager();
    open.push(server);
    const binding = bind({ audience: '456', use, ...target });
    return { server, binding, destination: build(googleDataManager, settingsOf(server, more), [binding]) };
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

  test('the consent that is said is the one of the catalog, and nothing is said without it', async () => {
    const silent = await start('exclusion');
    await silent.destination.send(silent.binding, 'suppress', batch(1), never());
    expect(silent.server.consents).toEqual([undefined]);
    const told = await start('exclusion', {}, { consent: { adUserData: 'granted', adPersonalization: 'denied' } });
    await told.destination.send(told.binding, 'suppress', batch(1), never());
    expect(told.server.consents).toEqual([{ adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_DENIED' }]);
  });

  test('without the terms accepted the catalog is not', () => {
    const refused = { ...settingsOf({ url: 'http://x.example', refreshToken: 'x' }), customerMatchTerms: 'rejected' };
    expect(googleDataManager.settings.safeParse(refused).error?.issues[0]?.message).toMatch(/write accepted/);
  });

  test('members that are not valid are parked by name in two requests, however many, and one alone too', async () => {
    const { server, binding, destination } = await start('exclusion');
    for (const index of [3, 4, 77]) server.invalidHashes.add(hashedEmail(`person${index}@example.com`));
    const { parked } = await settle(destination, binding, 'suppress', batch(100));
    expect(parked.map(({ ref, why }) => [ref, why])).toEqual(
      [3, 4, 77].map((index) => [`ref-${index}`, 'INVALID_SHA256_FORMAT']),
    );
    expect(server.asked.filter(({ path }) => path.endsWith(':ingest'))).toHaveLength(2);
    expect(server.members.size).toBe(97);
    const alone = await settle(destination, binding, 'suppress', batch(1, 3));
    expect(alone.parked.map(({ ref }) => ref)).toEqual(['ref-3']);
  });

  test('what all members are refused for is no fault of theirs', async () => {
    const { server, binding, destination } = await start('exclusion');
    for (let i = 0; i < 3; i++) server.invalidHashes.add(hashedEmail(`person${i}@example.com`));
    expect((await faultOf(destination.send(binding, 'suppress', batch(3), never()))).fault).toBe('credentials');
  });

  test('other members refused at the second request halve the batch', async () => {
    const { server, binding, destination } = await start('exclusion');
    const violation = (index: number) => ({
      field: `audience_members.audience_members[${index}]`,
      reason: 'INVALID_SHA256_FORMAT',
    });
    for (const [skip, index] of [
      [1, 0],
      [2, 1],
    ] as const) {
      const json = dataManagerError(400, 'INVALID_ARGUMENT', [violation(index)]);
      server.fault({ kind: 'answer', answer: { status: 400, json } }, skip);
    }
    expect((await faultOf(destination.send(binding, 'suppress', batch(4), never()))).fault).toBe('refused');
  });

  test.each([
    'TERMS_AND_CONDITIONS_NOT_SIGNED',
    'NOT_ALLOWLISTED',
    'EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED',
    'INVALID_USER_LIST_ID',
  ])('%s stops the destination until somebody resumes it, and says what to do', async (reason) => {
    const { server, binding, destination } = await start('exclusion');
    const json = dataManagerError(400, 'INVALID_ARGUMENT', [{ field: 'destinations[0]', reason }]);
    server.fault({ kind: 'answer', answer: { status: 400, json } }, 1);
    const error = await faultOf(destination.send(binding, 'suppress', batch(3), never()));
    expect([error.fault, error.untilResumed]).toEqual(['credentials', true]);
    expect(error.message).toMatch(new RegExp(`^${reason}: .+, then resume$`));
  });

  describe('a request that ended', () => {
    const ends = async (requestStatus: string, reasons: readonly string[] = []) => {
      const { server, binding, destination } = await start('exclusion');
      const { job = '' } = await destination.send(binding, 'suppress', batch(2), never());
      const errorCounts = reasons.map((reason) => ({ reason, recordCount: '1' }));
      const json = { requestStatusPerDestination: [{ requestStatus, errorInfo: { errorCounts } }] };
      server.fault({ kind: 'answer', answer: { status: 200, json } });
      return destination.poll?.(job, never());
    };

    test('is told as it ended: nobody counts as suppressed whom Google did not take', async () => {
      expect(await ends('REQUEST_STATUS_UNKNOWN')).toBe('working');
      expect(await ends('FAILED')).toBe('failed');
      expect(await ends('FAILED', ['PROCESSING_ERROR_REASON_INTERNAL_ERROR'])).toBe('failed');
      expect(await ends('FAILED', ['PROCESSING_ERROR_REASON_NO_CONSENT'])).toEqual({
        stopped: 'Google took nobody: NO_CONSENT (1). Mend the reason, then resume',
      });
      expect(await ends('PARTIAL_SUCCESS', ['PROCESSING_ERROR_REASON_INTERNAL_ERROR'])).toBe('failed');
      expect(await ends('PARTIAL_SUCCESS', ['PROCESSING_ERROR_REASON_DENIED_CONSENT'])).toEqual({
        incomplete: 'Google took a part only: DENIED_CONSENT (1)',
      });
    });

    test('and is no longer known to Google is sent again', async () => {
      const { destination } = await start('exclusion');
      expect(await destination.poll?.('request-of-another', never())).toBe('failed');
    });
  });
});
