import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { API_KEY, databaseUri, type Hush, type HushOptions, startHush } from '../support/hush.js';
import { program } from '../support/process.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { happen, OFFERS, optOut, type Sendgrid, sender, stateOf } from './reconciling.js';

const root = path.resolve(import.meta.dirname, '../..');
const globally = { name: 'offers', ...OFFERS, target: { global: true } };
const group = { name: 'group', ...OFFERS, target: { group: 7 } };
const names = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `b${from + n}@example.com`);

const open: { hush?: Hush | undefined; sendgrid: Sendgrid }[] = [];
afterEach(async () => {
  for (const { hush, sendgrid } of open.splice(0)) {
    await hush?.stop();
    await sendgrid.close();
  }
});

/** An installation whose destination was told of `people` who opted out. */
async function told(people: number, bindings: readonly object[] = [globally]) {
  const sendgrid = await startSendgrid();
  const hush = await startHush({ destinations: [sender(sendgrid, { bindings })] });
  const place = { hush: hush as Hush | undefined, sendgrid };
  open.push(place);
  for (let from = 0; from < people; from += 1000) {
    await happen(
      hush,
      names(from, Math.min(people, from + 1000)).map((email) => optOut(email)),
    );
  }
  await until(async () => {
    await hush.settle();
    return sendgrid.global.size === people && (await stateOf(hush)).pending === 0;
  });
  /** Ends it and starts it with another configuration. */
  const again = async (options: HushOptions) => {
    const from = place.hush as Hush;
    await from.stop(true);
    place.hush = undefined;
    place.hush = await startHush({ destinations: [sender(sendgrid, { bindings })], ...options, from });
    return place.hush;
  };
  return { hush, sendgrid, again };
}

/** Addresses in calls from the `since`-th on, by path. */
function toldTo(sendgrid: Sendgrid, list: string, since: number): string[] {
  return sendgrid.asked
    .slice(since)
    .filter(({ method, path: to }) => method === 'POST' && to.endsWith(list))
    .flatMap(({ json }) => (json as { recipient_emails: string[] }).recipient_emails);
}
const GLOBAL = '/suppressions/global';
const GROUP = '/groups/7/suppressions';

async function finished(hush: Hush): Promise<void> {
  await until(async () => {
    const { evaluation } = await hush.ask<{ evaluation: { finished?: string } }>('/v1/destinations');
    await hush.settle();
    const { pending, backfill } = await stateOf(hush);
    return evaluation.finished !== undefined && pending === 0 && (!backfill || backfill.done === backfill.total);
  });
}

describe('a new binding', () => {
  test('is told everybody, the others nothing; what will be told is counted before', async () => {
    const { hush, sendgrid, again } = await told(300);
    await happen(hush, [{ ...optOut('b7@example.com'), type: 'opted_in' }]);
    const destinations = [sender(sendgrid, { bindings: [globally, group] })];
    await again({ destinations, sweepMs: 3_600_000 });
    const running = open[0]?.hush as Hush;
    const { stdout } = await promisify(execFile)(process.execPath, [program('cli/hush'), 'backfill', '--json'], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        MONGODB_URI: databaseUri(running.namespace),
        HUSH_NAMESPACE: running.namespace,
        HUSH_SECRET: 'a secret for tests that is long enough',
        HUSH_API_KEY: API_KEY,
        HUSH_DATA_DIR: running.dir,
        HUSH_CONFIG_DIR: path.join(running.dir, 'config'),
      },
    });
    const before = sendgrid.asked.length;
    expect(sendgrid.groups.get('7')?.size).toBeLessThanOrEqual(299);
    const counted = JSON.parse(stdout) as { binding: string; suppress: number; lift: number }[];
    expect(counted.find(({ binding }) => binding === 'offers')).toMatchObject({ suppress: 0, lift: 0 });
    await running.hush.evaluation.once();
    await finished(running);
    expect(sendgrid.groups.get('7')?.size).toBe(299);
    expect(sendgrid.groups.get('7')?.has('b7@example.com')).toBe(false);
    expect(toldTo(sendgrid, GLOBAL, before)).toEqual([]);
    const all = toldTo(sendgrid, GROUP, 0);
    expect(all.length).toBe(new Set(all).size);
    expect(await stateOf(running)).toMatchObject({ backfill: { total: 300, done: 300 } });
  });

  test('is counted by a dry run before anything is told', async () => {
    const { hush, sendgrid } = await told(30);
    const { previewBackfill } = await import('../../src/sync/backfill-preview.js');
    const { bindDestinations } = await import('../../src/sync/bind.js');
    const { adapters } = await import('../../src/sync/destinations/index.js');
    const { createHttp } = await import('../../src/sync/http.js');
    await happen(hush, [{ contact: { email: 'b3@example.com' }, type: 'opted_in', scope: OFFERS }]);
    const { catalog, clock, policy, stores } = hush.hush;
    const [first] = catalog.destinations;
    const wanted = {
      ...catalog,
      destinations: first
        ? [{ ...first, bindings: [...first.bindings, { ...group, scope: { ...OFFERS, topic: '*' } as never }] }]
        : [],
    };
    const parts = { http: createHttp({ now: clock.now }), now: clock.now, machine, dataDir: hush.dir };
    const destinations = bindDestinations(wanted, adapters, parts);
    const counted = await previewBackfill({ contacts: stores.contacts, destinations, policy, clock });
    expect(counted).toEqual([
      { destination: 'sender', binding: 'offers', suppress: 0, lift: 0, withoutAddress: 0 },
      { destination: 'sender', binding: 'group', suppress: 29, lift: 0, withoutAddress: 0 },
    ]);
    expect(sendgrid.groups.get('7')?.size).toBe(0);
  });

  test('survives a restart in the middle of the re-evaluation, and a pause of the telling', async () => {
    const { sendgrid, again } = await told(700);
    const destinations = [sender(sendgrid, { bindings: [globally, group] })];
    const before = sendgrid.asked.length;
    let hush = await again({ destinations, sweepMs: 3_600_000 });
    await hush.ask('/v1/destinations/sender/pause', {});
    // It is stopped after its second look at some of them.
    const { evaluation, stores } = hush.hush;
    const { outdated } = stores.contacts;
    let looks = 0;
    Object.assign(stores.contacts, {
      outdated: (...args: Parameters<typeof outdated>) => {
        if (++looks === 2) void evaluation.stop();
        return outdated(...args);
      },
    });
    await evaluation.once();
    const left = (await stores.configurations.current())?.left ?? 0;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(700);
    hush = await again({ destinations });
    const after = await hush.hush.stores.configurations.current();
    expect(after).toMatchObject({ total: 700 });
    expect(after?.left).toBeLessThanOrEqual(left);
    await until(async () => (await hush.hush.stores.configurations.current())?.finished);
    // Paused, it waits and is counted.
    const paused = await stateOf(hush);
    expect(paused.state).toBe('paused');
    expect(paused.pending).toBeGreaterThan(0);
    expect(paused.backfill?.done).toBe(700 - paused.pending);
    await hush.ask('/v1/destinations/sender/resume', {});
    await finished(hush);
    expect(sendgrid.groups.get('7')?.size).toBe(700);
    expect(toldTo(sendgrid, GLOBAL, before)).toEqual([]);
  });

  test('is told after what somebody just said', async () => {
    const { sendgrid, again } = await told(300);
    const hush = await again({ destinations: [sender(sendgrid, { bindings: [globally, group] })] });
    await hush.ask('/v1/destinations/sender/pause', {});
    await until(async () => (await hush.hush.stores.configurations.current())?.finished);
    await hush.ask('/v1/events', { events: [optOut('now@example.com'), optOut('b5@example.com')] });
    await hush.hush.projection.settle();
    const { contacts } = hush.hush.stores;
    const now = hush.hush.clock.now();
    const first = await contacts.lease('sender', 'a test', now, now + 1000, 2);
    const entries = first.map(({ entries: count, state }) => [count, state.atoms.length]);
    // The new one, and the one of the backfill that was said again.
    expect(first).toHaveLength(2);
    expect(first.every(({ pendingSyncs: marks }) => marks.every(({ backfill }) => backfill !== true))).toBe(true);
    expect(entries).toContainEqual([1, expect.anything()]);
  });
});

describe('another change of the configuration', () => {
  test('a retired topic: everybody is looked at, nobody is told', async () => {
    const { sendgrid, again } = await told(250);
    const before = sendgrid.asked.length;
    const hush = await again({
      changeCatalog: (catalog) => {
        for (const topic of catalog.topics as { id: string; retired?: boolean }[]) topic.retired = topic.id === 'tips';
      },
    });
    await finished(hush);
    expect((await hush.hush.stores.configurations.current())?.total).toBe(250);
    expect(sendgrid.asked.length).toBe(before);
  });

  test('a new rule: those it concerns are told, who was told before is not told again', async () => {
    const { hush: first, sendgrid, again } = await told(50);
    await happen(
      first,
      names(50, 90).map((email) => ({ contact: { email }, type: 'profile', jurisdiction: 'US-CO' })),
    );
    await happen(
      first,
      names(90, 95).map((email) => ({ contact: { email }, type: 'profile', jurisdiction: 'US-WI' })),
    );
    const before = sendgrid.asked.length;
    const hush = await again({
      changePolicy: (policy) => {
        (policy.consent as object[]).push({ jurisdictions: ['US-CO'], channels: ['email'], purposes: ['marketing'] });
      },
    });
    await finished(hush);
    expect(new Set(toldTo(sendgrid, GLOBAL, before))).toEqual(new Set(names(50, 90)));
    expect(toldTo(sendgrid, GLOBAL, before)).toHaveLength(40);
    // And back: who was suppressed for the rule alone is lifted.
    const back = await again({});
    await finished(back);
    expect(new Set(sendgrid.global.keys())).toEqual(new Set(names(0, 50)));
  });
});
