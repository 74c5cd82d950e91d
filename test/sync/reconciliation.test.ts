import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { compare, happen, OFFERS, optIn, optOut, type Sendgrid, sender, stateOf } from './reconciling.js';

const seconds = (time: number) => Math.floor(time / 1000);
const decision = (hush: Hush, email: string) => hush.decide({ email });

describe('a comparison', () => {
  let sendgrid: Sendgrid;
  let hush: Hush;
  beforeAll(async () => {
    sendgrid = await startSendgrid();
    hush = await startHush({ destinations: [sender(sendgrid)], settling: 0 });
  });
  afterAll(async () => {
    await hush?.stop();
    await sendgrid?.close();
  });

  test('repairs both ways, after a dry run that counts the same and changes nothing', async () => {
    await happen(
      hush,
      ['known', 'missing', 'erased'].map((name) => optOut(`${name}@example.com`)),
    );
    await happen(hush, [{ contact: { email: 'erased@example.com' }, type: 'erased' }]);
    await until(async () => {
      await hush.hush.sweeper.once();
      const { contacts } = hush.hush.stores;
      return (await contacts.page(undefined, 10)).some((contact) => contact.keyedOnly);
    });
    sendgrid.global.delete('missing@example.com');
    sendgrid.global.delete('erased@example.com');
    const theirs = seconds(Date.now()) - 5000;
    sendgrid.global.set('unknown@example.com', theirs);
    sendgrid.bounces.set('gone@example.com', theirs);
    sendgrid.global.set('no address at all', theirs);
    const found = { in_step: 1, missing_there: 1, unknown_here: 2, keyed_only: 1, unreadable: 1 };

    const dry = await compare(hush, { dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, found, drift: 3, read: 4 });
    expect(sendgrid.global.has('missing@example.com')).toBe(false);
    expect(await decision(hush, 'unknown@example.com')).toMatchObject({ allowed: true });

    const real = await compare(hush);
    expect(real).toMatchObject({ dryRun: false, found, drift: 3, share: 1, last: { drift: 3 } });
    expect(sendgrid.global.has('missing@example.com')).toBe(true);
    const denied = await decision(hush, 'unknown@example.com');
    expect(denied).toMatchObject({ allowed: false, reason: 'opted_out', since: new Date(theirs * 1000).toISOString() });
    const receipt = await hush.ask<Record<string, unknown>>(`/v1/receipts/${denied.receipt}`);
    expect(receipt).toMatchObject({ source: { kind: 'reconciliation' } });

    const after = await compare(hush);
    expect(after.drift).toBe(0);
    // The bounced one is on two lists now.
    expect(after.found).toEqual({ in_step: 5, keyed_only: 1, unreadable: 1 });
  });

  test('what somebody else put there since a lift is a new opt-out, at their time', async () => {
    await happen(hush, [optOut('returns@example.com')]);
    await happen(hush, [optIn('returns@example.com')]);
    expect(sendgrid.global.has('returns@example.com')).toBe(false);
    sendgrid.global.set('returns@example.com', seconds(Date.now()) + 60);
    expect((await compare(hush)).found).toMatchObject({ unknown_here: 1 });
    expect(await decision(hush, 'returns@example.com')).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(sendgrid.global.has('returns@example.com')).toBe(true);
  });

  test('an entry from long before a lift is the one that should be gone: it is lifted again, and nobody is opted out', async () => {
    await happen(hush, [optOut('welcome@example.com')]);
    await happen(hush, [optIn('welcome@example.com')]);
    sendgrid.global.set('welcome@example.com', seconds(Date.now()) - 3600);
    const { found } = await compare(hush);
    expect(found).toMatchObject({ still_there: 1 });
    expect(found).not.toHaveProperty('unknown_here');
    expect(await decision(hush, 'welcome@example.com')).toMatchObject({ allowed: true });
    expect(sendgrid.global.has('welcome@example.com')).toBe(false);
  });

  test('a yes later than an entry of somebody else’s prevails, once the entry is on record', async () => {
    await happen(hush, [optIn('later@example.com')]);
    sendgrid.global.set('later@example.com', seconds(Date.now()) - 86_400);
    expect((await compare(hush)).found).toMatchObject({ unknown_here: 1 });
    expect(await decision(hush, 'later@example.com')).toMatchObject({ allowed: true });
    await until(async () => {
      await hush.settle();
      return !sendgrid.global.has('later@example.com');
    });
    const key = (
      await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: { email: 'later@example.com' } })
    ).contact;
    expect(key).toBeDefined();
    expect((await compare(hush)).drift).toBe(0);
  });

  test('leaves alone what is still to be told', async () => {
    await hush.ask('/v1/destinations/sender/pause', {});
    await hush.ask('/v1/events', { events: [optOut('waits@example.com')] });
    await hush.hush.projection.settle();
    sendgrid.global.set('waits@example.com', 1_700_000_000);
    await hush.ask('/v1/destinations/sender/reconcile', {});
    await hush.hush.reconciling.once();
    // A paused destination is not read either.
    expect((await stateOf(hush)).reconciliation).toMatchObject({ state: 'running', read: 0 });
    await hush.ask('/v1/destinations/sender/resume', {});
    await until(async () => (await stateOf(hush)).reconciliation.state === 'finished');
    expect((await stateOf(hush)).reconciliation.drift).toBe(0);
  });

  test('what was told within ten minutes is not compared, because lists lag behind', async () => {
    const slow = await startHush({ destinations: [sender(sendgrid)] });
    try {
      await happen(slow, [optOut('fresh@example.com')]);
      sendgrid.global.delete('fresh@example.com');
      const { found } = await compare(slow, { dryRun: true });
      expect(found).toMatchObject({ waiting: 1 });
      expect(found).not.toHaveProperty('missing_there');
    } finally {
      await slow.stop();
    }
  });
});

describe('a lift', () => {
  let sendgrid: Sendgrid;
  let hush: Hush;
  const both = [
    { name: 'all', ...OFFERS, purpose: 'research', target: { global: true } },
    { name: 'offers', ...OFFERS, target: { group: 7 } },
  ];
  beforeAll(async () => {
    sendgrid = await startSendgrid();
    hush = await startHush({ destinations: [sender(sendgrid, { bindings: both })], workerTimes: { firstRetry: 1 } });
  });
  afterAll(async () => {
    await hush?.stop();
    await sendgrid?.close();
  });

  test('is never made on a list where we suppressed nobody, though a call to another list was lost', async () => {
    sendgrid.global.set('left@example.com', 1_700_000_000);
    await hush.ask('/v1/events', { events: [optOut('left@example.com')] });
    await hush.hush.projection.settle();
    // The group's check is answered, the call itself is cut.
    sendgrid.fault({ kind: 'cut' }, 1);
    await until(async () => {
      await hush.settle();
      return sendgrid.groups.get('7')?.has('left@example.com') && (await stateOf(hush)).pending === 0;
    });
    expect(sendgrid.global.has('left@example.com')).toBe(true);
    expect(sendgrid.asked.some(({ method }) => method === 'DELETE')).toBe(false);
  });
});

describe('a destination that cannot be read', () => {
  test('is told its denials again, and no lifts', async () => {
    const webhook = await startSendgrid();
    const hush = await startHush({
      settling: 0,
      destinations: [
        {
          name: 'file',
          adapter: 'file',
          role: 'processor',
          settings: { folder: 'suppressions', format: 'ndjson', hash: 'sha256' },
          bindings: [{ name: 'offers', ...OFFERS }],
        },
      ],
    });
    try {
      await happen(
        hush,
        ['a', 'b'].map((name) => optOut(`${name}@example.com`)),
      );
      await happen(hush, [optIn('b@example.com')]);
      const told = async () => {
        const { contacts } = hush.hush.stores;
        return (await contacts.page(undefined, 10)).map(({ synced: all }) => all.file?.bindings.offers);
      };
      const before = await told();
      const dry = await compare(hush, { name: 'file', dryRun: true });
      expect(dry).toMatchObject({ found: { asserted: 1 }, drift: 0 });
      expect(await told()).toEqual(before);
      expect((await compare(hush, { name: 'file' })).found).toEqual({ asserted: 1 });
      const after = await told();
      const again = after.filter((one, index) => one?.at !== before[index]?.at);
      expect(again).toMatchObject([{ suppressed: true }]);
    } finally {
      await hush.stop();
      await webhook.close();
    }
  });
});

describe('over the API', () => {
  let hush: Hush;
  beforeAll(async () => {
    hush = await startHush();
  });
  afterAll(() => hush?.stop());

  test('an unknown destination is a 404 and an unknown field a 400 that names it', async () => {
    expect((await hush.post('/v1/destinations/nobody/reconcile', {})).status).toBe(404);
    const wrong = await hush.post('/v1/destinations/file/reconcile', { dryrun: true });
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ field: 'dryrun' });
  });
});
