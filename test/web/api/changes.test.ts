import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';
import { optOut } from '../../sync/reconciling.js';

interface Page {
  readonly changes: readonly { readonly cursor: string; readonly contact: string; readonly version: number }[];
  readonly cursor: string;
}
const WRITERS = 6;
const ROUNDS = 12;
const EACH = 10;

test('readers of two instances that number and write at once see every change once, in order, without a gap', async () => {
  const one = await startHush({ destinations: [] });
  const other = await startHush({ destinations: [], from: one });
  try {
    const written = new Set<string>();
    let writing = true;
    const writer = async (hush: Hush, name: number) => {
      for (let round = 0; round < ROUNDS; round++) {
        const events = Array.from({ length: EACH }, (_, n) =>
          optOut(`w${name}-${(round * EACH + n) % 40}@example.com`),
        );
        const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', { events });
        for (const { contact } of accepted) written.add(contact);
      }
    };
    /** Follows the feed by long poll until nothing more comes. */
    const reader = async (hush: Hush, limit: number) => {
      const seen: Page['changes'][number][] = [];
      let cursor = 'n0';
      for (let empty = 0; writing || empty < 2; ) {
        const page = await hush.ask<Page>(`/v1/changes?after=${cursor}&limit=${limit}&wait=1`);
        seen.push(...page.changes);
        empty = page.changes.length === 0 ? empty + 1 : 0;
        cursor = page.cursor;
      }
      return seen;
    };
    const readers = [reader(one, 7), reader(other, 1000), reader(other, 1)];
    await Promise.all(Array.from({ length: WRITERS }, (_, n) => writer(n % 2 === 0 ? one : other, n)));
    await Promise.all([one, other].map((hush) => hush.hush.projection.settle()));
    writing = false;
    const [first = [], ...others] = await Promise.all(readers);
    const numbers = first.map(({ cursor }) => cursor.replace(/-[0-9a-f]{8}$/, ''));
    expect(numbers).toEqual(first.map((_, index) => `n${index + 1}`));
    expect(new Set(first.map(({ contact }) => contact))).toEqual(written);
    for (const seen of others) expect(seen).toEqual(first);
    // The last that is said of a contact is its last version.
    const last = new Map(first.map(({ contact, version }) => [contact, version]));
    for (const contact of await one.hush.stores.contacts.page(undefined, 1000)) {
      const { contactKeyText } = await import('../../../src/core/keys.js');
      expect(last.get(contactKeyText(contact.key))).toBe(contact.rev);
    }
  } finally {
    await other.stop(true);
    await one.stop();
  }
});

test('a poll that waits is answered by the first change, and one ahead of the feed is refused', async () => {
  const hush = await startHush({ destinations: [] });
  try {
    const waiting = hush.ask<Page>('/v1/changes?after=n0&wait=30');
    await hush.ask('/v1/events', { events: [optOut('first@example.com')] });
    expect((await waiting).changes).toHaveLength(1);
    expect((await hush.get('/v1/changes?after=n5')).status).toBe(400);
    expect((await hush.get('/v1/changes?after=x5')).status).toBe(400);
  } finally {
    await hush.stop();
  }
});

/** What a backup holds of the feed; called, it is restored. */
async function backupOfFeed({ hush: { stores } }: Hush): Promise<() => Promise<void>> {
  const database = stores.changes.models[0].db;
  const copies = await Promise.all(
    ['changes', 'feed_head', 'webhook_subscriptions'].map(async (name) => {
      const collection = database.collection(name);
      return { collection, rows: await collection.find({}, { promoteBuffers: true }).toArray() };
    }),
  );
  return async () => {
    for (const { collection, rows } of copies) {
      await collection.deleteMany({});
      if (rows.length > 0) await collection.insertMany(rows);
    }
  };
}

describe('after an older backup was restored', () => {
  const REMEDY = 'take /v1/suppressions anew and go on from its Hush-Cursor';
  let hush: Hush;
  let counter = 0;
  beforeAll(async () => {
    hush = await startHush({ destinations: [] });
  });
  afterAll(() => hush?.stop());

  /** Numbers so many new changes, each in a batch of its own, and gives the cursor of the last. */
  async function change(times: number): Promise<string> {
    for (let n = 0; n < times; n++) {
      await hush.ask('/v1/events', { events: [optOut(`restored${counter++}@example.com`)] });
      await hush.hush.projection.settle();
      await hush.hush.feed.tick();
    }
    return await headCursor();
  }
  async function headCursor(): Promise<string> {
    const answer = await hush.get('/v1/suppressions?brand=jmf&channel=email&purpose=promotion&hash=sha256');
    await answer.text();
    return answer.headers.get('hush-cursor') ?? '';
  }
  const read = (cursor: string) => hush.get(`/v1/changes?after=${cursor}`);

  test('cursors from before it are valid, and those that it does not hold are refused with the remedy', async () => {
    const kept = await change(2);
    const restore = await backupOfFeed(hush);
    const lost = [await change(1), await change(1)];
    expect((await read(lost[1] ?? '')).status).toBe(200);
    await restore();
    // Ahead of the feed, at its head, and passed by it.
    for (const after of [1, 1, 2]) {
      for (const cursor of lost) {
        const answer = await read(cursor);
        expect([answer.status, await answer.json()]).toEqual([
          409,
          expect.objectContaining({ field: 'after', remedy: REMEDY }),
        ]);
        expect((await hush.post('/v1/webhooks', { url: 'https://example.com/', after: cursor })).status).toBe(409);
      }
      await change(after);
    }
    const page = await hush.ask<Page>(`/v1/changes?after=${kept}`);
    expect(page.changes).toHaveLength(4);
    expect((await hush.ask<Page>(`/v1/changes?after=${page.cursor}`)).changes).toEqual([]);
    expect((await hush.ask<Page>('/v1/changes?after=n0')).changes).toHaveLength(6);
    // Without its epoch the same number is no cursor of this feed.
    expect((await read(page.cursor.replace(/-.*/, ''))).status).toBe(400);
  });

  test('a webhook that was further than the feed is disabled with the reason', async () => {
    const made = await hush.ask<{ id: string }>('/v1/webhooks', { url: 'http://127.0.0.1:9/' });
    const restore = await backupOfFeed(hush);
    const [number, epoch] = (await change(1)).slice(1).split('-');
    const lost = { number: Number(number), epoch: epoch ?? '' };
    const { webhookSubscriptions } = hush.hush.stores;
    for (const changes of [0, 1, 2]) {
      await restore();
      await change(changes);
      await webhookSubscriptions.replay(made.id, lost);
      await hush.hush.webhooksOut.once();
      const seen = await hush.ask<object>(`/v1/webhooks/${made.id}`);
      expect(seen).toMatchObject({
        state: 'disabled',
        disabledReason: expect.stringContaining('take /v1/suppressions anew and replay from its Hush-Cursor'),
      });
    }
    const answer = await hush.post(`/v1/webhooks/${made.id}/replay`, { after: `n${number}-${epoch}` });
    expect(answer.status).toBe(409);
    expect((await hush.post(`/v1/webhooks/${made.id}/replay`, { after: await headCursor() })).status).toBe(200);
  });

  test('a feed from before there were epochs goes on, with its former cursors', async () => {
    const { changes } = hush.hush.stores;
    const database = changes.models[0].db;
    const head = await changes.head();
    await database.collection('changes').updateMany({}, { $unset: { epoch: '' } });
    await database.collection('feed_head').updateMany({}, { $unset: { last: '' } });
    expect(await headCursor()).toBe(`n${head.number}`);
    const next = await change(1);
    expect(next).toMatch(/^n\d+-[0-9a-f]{8}$/);
    expect((await hush.ask<Page>(`/v1/changes?after=n${head.number}`)).cursor).toBe(next);
    // A process of before moves the head without knowing of epochs.
    await database.collection('feed_head').updateMany({}, { $inc: { number: 1 } });
    expect(await headCursor()).toBe(`n${head.number + 2}`);
  });

  test('who has read everything goes on when what it read is no longer kept', async () => {
    const { changes } = hush.hush.stores;
    await changes.models[0].collection.deleteMany({});
    const last = await change(1);
    await changes.models[0].collection.deleteMany({});
    expect((await hush.ask<Page>(`/v1/changes?after=${last}`)).changes).toEqual([]);
    await change(1);
    expect((await hush.ask<Page>(`/v1/changes?after=${last}`)).changes).toHaveLength(1);
    const answer = await read('n0');
    expect([answer.status, await answer.json()]).toEqual([409, expect.objectContaining({ remedy: REMEDY })]);
  });
});
