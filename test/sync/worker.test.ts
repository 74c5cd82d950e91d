import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { happen, optIn, optOut, type Sendgrid, sender, stateOf } from './reconciling.js';

describe('telling a destination', () => {
  let sendgrid: Sendgrid;
  let hush: Hush;
  const GLOBAL = '/suppressions/global';
  beforeAll(async () => {
    sendgrid = await startSendgrid();
    hush = await startHush({
      destinations: [sender(sendgrid)],
      workerTimes: { firstRetry: 1, reassertAfter: 2500, credentialPause: 3_600_000 },
    });
  });
  afterAll(async () => {
    await hush?.stop();
    await sendgrid?.close();
  });
  afterEach(() => sendgrid.global.clear());

  const posts = (since: number) =>
    sendgrid.asked
      .slice(since)
      .filter(({ method, path }) => method === 'POST' && path.endsWith(GLOBAL))
      .map(({ json }) => (json as { recipient_emails: string[] }).recipient_emails);
  const drained = () =>
    until(async () => {
      await hush.settle();
      return (await stateOf(hush)).pending === 0;
    });

  test('one bad address in a full batch is parked with the reason, and the rest goes in few calls', async () => {
    await hush.ask('/v1/destinations/sender/pause', {});
    const events = Array.from({ length: 999 }, (_, n) => optOut(`full${n}@example.com`));
    await happen(hush, [...events, optOut('broken@nowhere.invalid')]);
    const before = sendgrid.asked.length;
    await hush.ask('/v1/destinations/sender/resume', {});
    await drained();
    expect(sendgrid.global.size).toBe(999);
    // Halving 1,000 takes ten steps, each of two calls at most.
    expect(posts(before).length).toBeLessThanOrEqual(21);
    const { receipt } = await hush.decide({ email: 'broken@nowhere.invalid' });
    const shown = await hush.ask<{ destinations: object[] }>(`/v1/receipts/${receipt}`);
    expect(shown.destinations).toMatchObject([{ status: 'parked' }]);
    const parked = (await hush.hush.stores.contacts.page(undefined, 2000)).flatMap(
      ({ synced: told }) => told.sender?.parked ?? [],
    );
    expect(parked).toMatchObject([{ why: expect.stringContaining('is not an email address') }]);
    expect(parked[0]?.why).not.toContain('broken');
  });

  test('a 429 stops the round, is no failure, and is waited for', async () => {
    const before = sendgrid.asked.length;
    const limited = { status: 429, headers: { 'retry-after': '1' }, json: {} };
    sendgrid.fault({ kind: 'answer', answer: limited }, 0, GLOBAL);
    await happen(hush, [optOut('limited@example.com')]);
    expect(sendgrid.asked.length).toBe(before);
    const [contact] = (await hush.hush.stores.contacts.page(undefined, 2000)).filter(
      ({ pendingSyncs: marks }) => marks.length > 0,
    );
    expect(contact?.pendingSyncs[0]?.failures ?? 0).toBe(0);
    await drained();
    expect(sendgrid.global.has('limited@example.com')).toBe(true);
  });

  test('a denial soon after a lift is said again once a stalled lift must have landed', async () => {
    await happen(hush, [optOut('back@example.com')]);
    await happen(hush, [optIn('back@example.com')]);
    const before = sendgrid.asked.length;
    await happen(hush, [optOut('back@example.com')]);
    // The stalled lift lands after the denial.
    sendgrid.global.delete('back@example.com');
    await drained();
    expect(sendgrid.global.has('back@example.com')).toBe(true);
    expect(posts(before).filter((list) => list.includes('back@example.com'))).toHaveLength(2);
  });

  test('a lift whose answer was lost is made again, and nobody is opted out for it', async () => {
    await happen(hush, [optOut('both@example.com')]);
    sendgrid.fault({ kind: 'answer', answer: { status: 503, json: {} }, afterEffect: true }, 1, `${GLOBAL}/both`);
    await happen(hush, [optIn('both@example.com')]);
    await drained();
    expect(sendgrid.global.has('both@example.com')).toBe(false);
    expect(await hush.decide({ email: 'both@example.com' })).toMatchObject({ allowed: true });
  });

  test('a call that was lost is made again for what it was about, and for nothing else', async () => {
    const before = sendgrid.asked.length;
    sendgrid.fault({ kind: 'cut' }, 0, GLOBAL);
    await happen(hush, [optOut('lost@example.com')]);
    await drained();
    expect(posts(before)).toEqual([['lost@example.com']]);
    expect(sendgrid.asked.slice(before).some(({ method }) => method === 'DELETE')).toBe(false);
  });
});
