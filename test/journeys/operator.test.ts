import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileDestination, type Hush, startHush } from '../support/hush.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { happen, optOut, type Sendgrid, sender, stateOf } from '../sync/reconciling.js';
import { type Console, signIn } from '../web/staff/browser.js';

const PEOPLE = 400;
const email = (n: number) => `operator${n}@example.com`;

/** Journey 14: adds a destination, watches it, breaks it, sees it, repairs it, sees it drain to zero drift. */
describe('the operator', () => {
  let sendgrid: Sendgrid;
  let hush: Hush;
  let admin: Console;
  let first: Hush | undefined;

  beforeAll(async () => {
    sendgrid = await startSendgrid();
    first = await startHush({ destinations: [fileDestination] });
    await happen(
      first,
      Array.from({ length: PEOPLE }, (_, n) => optOut(email(n))),
    );
    await first.stop(true);
    hush = await startHush({
      from: first,
      destinations: [fileDestination, sender(sendgrid)],
      settling: 0,
      workerTimes: { credentialPause: 3_600_000 },
    });
    admin = await signIn(hush, 'admin');
  });
  afterAll(async () => {
    await hush?.stop();
    await sendgrid?.close();
  });

  const page = async () => (await admin.get('/staff/destinations')).text.replaceAll(/\s+/g, ' ');

  test('adds a destination and watches its backfill until everybody is told', async () => {
    const shares: number[] = [];
    await until(async () => {
      const { backfill, pending } = await stateOf(hush);
      if (backfill) shares.push(backfill.done / backfill.total);
      return backfill?.done === PEOPLE && pending === 0 && sendgrid.global.size === PEOPLE;
    });
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    expect(await stateOf(hush)).toMatchObject({ state: 'in_step', backfill: { total: PEOPLE, done: PEOPLE } });
    expect(await page()).toContain(
      '<span>sender</span></td><td role="cell" data-label="State"><span class="tag yes">synced</span>',
    );
  });

  test('breaks its credentials and sees the alert and what waits, while the other destination goes on', async () => {
    sendgrid.changeKey('SG.another');
    await hush.ask('/v1/events', { events: Array.from({ length: 25 }, (_, n) => optOut(email(PEOPLE + n))) });
    const broken = await until(async () => {
      const now = await stateOf(hush);
      return now.state === 'credentials_refused' && now.pending === 25 && now;
    });
    expect(broken.lastError).toMatchObject({ kind: 'credentials' });
    await until(() => hush.logged.join('').includes('the destination refuses our credentials'));
    const metrics = await (await fetch(`${hush.url}/metrics`)).text();
    expect(metrics).toMatch(/hush_destination_faults_total\{destination="sender",fault="credentials"\} [1-9]/);
    expect(metrics).toMatch(/hush_destination_pending\{destination="sender"\} 25/);
    const shown = await page();
    expect(shown).toContain('<span class="tag no">credentials refused</span>');
    expect(shown).toContain('class="n"><span>25</span></td>');
    expect(shown).toContain('Try again now');
    await until(async () => (await stateOf(hush, 'file')).pending === 0);
    // What waits there is in force in our own answers.
    expect(await hush.decide({ email: email(PEOPLE) })).toMatchObject({ allowed: false });
    expect(sendgrid.global.size).toBe(PEOPLE);
  });

  test('repairs them, and it drains', async () => {
    sendgrid.changeKey(sendgrid.apiKey);
    await admin.post('/staff/destinations/sender/resume', {});
    const state = await until(async () => {
      const now = await stateOf(hush);
      return now.state === 'in_step' && now.pending === 0 && now;
    });
    expect(state).not.toHaveProperty('lastError.kind', 'credentials');
    expect([...sendgrid.global.keys()].sort()).toEqual(Array.from({ length: PEOPLE + 25 }, (_, n) => email(n)).sort());
  });

  test('compares: what went astray is counted by a dry run, repaired, and then there is no drift', async () => {
    sendgrid.global.delete(email(3));
    sendgrid.global.set('elsewhere@example.com', 1_700_000_000);
    const press = async (fields: Record<string, string>, words: RegExp) => {
      await admin.post('/staff/destinations/sender/reconcile', fields);
      await until(async () => words.test(await page()));
      await until(async () => (await stateOf(hush)).pending === 0);
    };
    await press(
      { dryRun: 'yes' },
      /Dry run of [^:]+:\d\d: [^.]*1 missing there, 1 unknown here|Dry run of [^.]*1 unknown here, 1 missing there/,
    );
    expect(sendgrid.global.has(email(3))).toBe(false);
    await press({}, /Comparison of [^.]*1 (missing there|unknown here), 1 (missing there|unknown here)/);
    await until(() => sendgrid.global.has(email(3)));
    expect(await hush.decide({ email: 'elsewhere@example.com' })).toMatchObject({ allowed: false });
    await press({}, /Comparison of [^.]*: 426 synced\./);
    expect((await stateOf(hush)).reconciliation.drift).toBe(0);
    expect(await page()).toContain('<span>none</span></td>');
    const trail = await hush.hush.staff.trail.list({ user: 'admin', kind: 'change' }, 0, 10);
    expect(trail.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['destination_compared', 'destination_dry_run', 'destination_resumed']),
    );
  });

  test('a supervisor sees it and may not start it', async () => {
    const supervisor = await signIn(hush, 'supervisor');
    const { text } = await supervisor.get('/staff/destinations');
    expect(text).not.toContain('Compare now');
    expect((await supervisor.post('/staff/destinations/sender/reconcile', {})).status).toBe(403);
  });

  test('a destination nobody knows is not found', async () => {
    expect((await admin.post('/staff/destinations/nobody/reconcile', {})).status).toBe(404);
  });
});
