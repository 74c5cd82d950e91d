import type { Scope } from '../core/scope.js';
import { DURABLE } from './connect.js';
import type { ContactCollections } from './contact-rows.js';

/** What the change feed asks and writes: raw, docs/decisions/raw-commands.md. */
export function contactFeed({ raw }: Pick<ContactCollections, 'raw'>) {
  return {
    /** Contacts whose change the feed has not numbered yet. */
    async unnumbered(limit: number): Promise<{ key: Buffer; feed: number; scopes: readonly Scope[] }[]> {
      const rows = await raw
        .find({ feed: { $exists: true } }, { projection: { feed: 1, feedScopes: 1 }, limit })
        .toArray();
      return rows.map(({ _id, feed = 0, feedScopes = [] }) => ({ key: _id, feed, scopes: feedScopes }));
    },

    async numbered(changes: readonly { readonly key: Buffer; readonly feed: number }[]): Promise<void> {
      await raw.bulkWrite(
        changes.map(({ key, feed }) => ({
          updateOne: { filter: { _id: key, feed }, update: { $unset: { feed: '', feedScopes: '' } } },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    },
  };
}
