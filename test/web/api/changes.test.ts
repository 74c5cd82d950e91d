import { expect, test } from '@jest/globals';
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
    expect(first.map(({ cursor }) => cursor)).toEqual(first.map((_, index) => `n${index + 1}`));
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
