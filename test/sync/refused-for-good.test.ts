import { afterEach, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';
import { startGoogleAds } from '../support/stand-ins/google-ads.js';
import { startGoogleDataManager } from '../support/stand-ins/google-data-manager.js';
import { until } from '../support/until.js';
import { happen, stateOf } from './reconciling.js';

const ADS = { brand: 'jmf', channel: 'ads', purpose: 'retargeting' };
const optOut = (email: string) => ({ contact: { email }, type: 'opted_out', scope: ADS });
const bindings = (use: string) => [{ name: 'people', ...ADS, target: { audience: '456', use } }];
const client = (server: { url: string; refreshToken: string }) => ({
  clientId: 'client',
  clientSecret: 'google-stand-in-secret',
  refreshToken: server.refreshToken,
  baseUrl: server.url,
  tokenUrl: `${server.url}/token`,
});
/** Soon over, so that whoever is asked again by himself is asked at once. */
const workerTimes = { credentialPause: 0, firstRetry: 1 };

describe('a destination that refuses for good', () => {
  const open: { close(): Promise<void> }[] = [];
  let hush: Hush | undefined;
  afterEach(async () => {
    await hush?.stop();
    for (const server of open.splice(0)) await server.close();
  });

  async function started(destination: object, from?: Hush): Promise<Hush> {
    if (from) await from.stop(true);
    hush = await startHush({
      destinations: [{ name: 'google', role: 'third_party', ...destination }],
      workerTimes,
      ...(from ? { from } : {}),
    });
    return hush;
  }
  const lastError = (of: Hush) => stateOf(of, 'google');

  async function closedAds() {
    const server = await startGoogleAds();
    open.push(server);
    const errors = [{ errorCode: { userDataError: 'CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE' }, message: 'no' }];
    const json = { error: { code: 403, status: 'PERMISSION_DENIED', message: 'no', details: [{ errors }] } };
    for (let n = 0; n < 50; n++) server.fault({ kind: 'answer', answer: { status: 403, json } }, n, 'offlineUserData');
    const destination = {
      adapter: 'google-customer-match',
      settings: { customerId: '123', developerToken: 'developer-stand-in', ...client(server) },
      bindings: bindings('retargeting'),
    };
    /** Faults answer in place of the server, which then sees nothing: they are counted by the tokens that were needed. */
    return { server, destination };
  }

  test('is asked once, keeps what waits, says what to do, and is asked again when resumed', async () => {
    const { server, destination } = await closedAds();
    const running = await started(destination);
    await happen(running, [optOut('one@example.com')]);
    const refused = await until(async () => {
      await running.settle();
      const now = await lastError(running);
      return now.state === 'credentials_refused' && now;
    });
    expect(refused.lastError?.message).toMatch(/adapter: google-data-manager/);
    const asked = server.tokens();
    for (let n = 0; n < 5; n++) await running.settle();
    await happen(running, [optOut('two@example.com')]);
    expect(server.tokens()).toBe(asked);
    expect((await lastError(running)).pending).toBe(2);
    await running.ask('/v1/destinations/google/resume', {});
    await until(async () => {
      await running.settle();
      return server.tokens() > asked;
    });
  });

  test('is tried once by a process that starts, and what waited reaches the adapter it was moved to', async () => {
    const { server, destination } = await closedAds();
    const first = await started(destination);
    await happen(first, [optOut('one@example.com')]);
    await until(async () => {
      await first.settle();
      return (await lastError(first)).state === 'credentials_refused';
    });
    const asked = server.tokens();
    const second = await started(destination, first);
    await until(async () => {
      await second.settle();
      return server.tokens() === asked + 1 && (await lastError(second)).state === 'credentials_refused';
    });
    for (let n = 0; n < 5; n++) await second.settle();
    expect(server.tokens()).toBe(asked + 1);
    const manager = await startGoogleDataManager();
    open.push(manager);
    const third = await started(
      {
        adapter: 'google-data-manager',
        settings: { account: { id: '123' }, customerMatchTerms: 'accepted', ...client(manager) },
        bindings: bindings('retargeting'),
      },
      second,
    );
    await until(async () => {
      await third.settle();
      return manager.removed.size === 1 && (await lastError(third)).state === 'in_step';
    });
  });

  test('by the end of a job stops as well, and one that took a part only stays accepted and is told', async () => {
    const manager = await startGoogleDataManager();
    open.push(manager);
    const ended = (requestStatus: string) => {
      const errorInfo = { errorCounts: [{ reason: 'PROCESSING_ERROR_REASON_NO_CONSENT', recordCount: '1' }] };
      const json = { requestStatusPerDestination: [{ requestStatus, errorInfo }] };
      manager.fault({ kind: 'answer', answer: { status: 200, json } }, 0, 'requestStatus');
    };
    ended('FAILED');
    const running = await started({
      adapter: 'google-data-manager',
      settings: { account: { id: '123' }, customerMatchTerms: 'accepted', ...client(manager) },
      bindings: bindings('exclusion'),
    });
    await happen(running, [optOut('one@example.com')]);
    const stopped = await until(async () => {
      await running.settle();
      const now = await lastError(running);
      // The refusal is noted a moment before what it is about waits again.
      return now.state === 'credentials_refused' && now.pending === 1 && now;
    });
    expect(stopped).toMatchObject({ pending: 1, lastError: { message: expect.stringMatching(/NO_CONSENT \(1\)/) } });
    const sent = manager.jobs.size;
    for (let n = 0; n < 5; n++) await running.settle();
    expect(manager.jobs.size).toBe(sent);
    ended('PARTIAL_SUCCESS');
    await running.ask('/v1/destinations/google/resume', {});
    const part = await until(async () => {
      await running.settle();
      const now = await lastError(running);
      return now.lastError?.message.includes('a part only') && now;
    });
    expect(part).toMatchObject({ state: 'failing', pending: 0 });
    expect(manager.jobs.size).toBe(sent + 1);
  });
});
