import type { NewPendingSync, SyncedState } from '../core/sync-state.js';
import { DURABLE } from './connect.js';
import type { Contact, ContactCollections } from './contact-rows.js';

/** Every value of `backfill` of a pending sync, so that the index is used whole. */
const ANY_BACKFILL = [null, false, true];

/** What a worker writes back for one contact and destination. */
export interface Settlement {
  readonly key: Buffer;
  readonly synced?: SyncedState;
  /** Remove the pending sync if it is still at this version. */
  readonly clearVersion?: number;
  /** The configuration that the contact was evaluated under when it was read, `null` for none: cleared only while that is so. */
  readonly evaluatedUnder?: string | null;
  /** What was sent follows from another configuration: once it is cleared, the contact is evaluated again. */
  readonly evaluateAgain?: boolean;
  /** Otherwise: the pending sync as it is left, and whether the lease ends. */
  readonly pendingSync: {
    readonly due?: number;
    readonly release: boolean;
    readonly uncertainBindings?: readonly string[];
    readonly attempted?: string;
    readonly reassert?: boolean;
    readonly failures?: number;
  };
}

function pendingSyncUpdate(
  pendingSync: Settlement['pendingSync'],
): [Record<string, ''> | undefined, Record<string, unknown>] {
  const set: Record<string, unknown> = {};
  if (pendingSync.due !== undefined) set['marks.$.due'] = pendingSync.due;
  if (pendingSync.uncertainBindings !== undefined) set['marks.$.doubt'] = pendingSync.uncertainBindings;
  if (pendingSync.attempted !== undefined) set['marks.$.attempted'] = pendingSync.attempted;
  if (pendingSync.reassert !== undefined) set['marks.$.again'] = pendingSync.reassert;
  if (pendingSync.failures !== undefined) set['marks.$.failures'] = pendingSync.failures;
  return [pendingSync.release ? { 'marks.$.by': '' } : undefined, set];
}

/**
 * New pending syncs merged into the stored ones: a worker may have leased, tried or cleared one since the projector read it,
 * and what it wrote (lease, attempt) must not be lost, or two calls for one contact would be in flight.
 */
export function mergedPendingSyncs(pendingSyncs: readonly NewPendingSync[]): unknown {
  const standing = { $ifNull: ['$marks', []] };
  const names = pendingSyncs.map(({ destination }) => destination);
  const others = {
    $filter: { input: standing, as: 'm', cond: { $not: [{ $in: ['$$m.destination', { $literal: names }] }] } },
  };
  const merged = pendingSyncs.map((pendingSync) => ({
    $let: {
      vars: {
        old: {
          $ifNull: [
            {
              $arrayElemAt: [
                { $filter: { input: standing, as: 'm', cond: { $eq: ['$$m.destination', pendingSync.destination] } } },
                0,
              ],
            },
            {},
          ],
        },
      },
      in: {
        $mergeObjects: [
          { $literal: pendingSync },
          '$$old',
          { $literal: { version: pendingSync.version, backfill: pendingSync.backfill === true } },
          { $cond: [{ $gt: ['$$old.by', null] }, {}, { $literal: { due: pendingSync.due } }] },
        ],
      },
    },
  }));
  return { $concatArrays: [others, merged] };
}

type Find = (keys: readonly Buffer[]) => Promise<Map<string, Contact>>;

/** The workers' queries to pending syncs and synced states of contacts. */
export function contactPendingSyncs(collections: Pick<ContactCollections, 'model' | 'raw'>, find: Find) {
  return { ...backlogs(collections), ...leases(collections, find), ...marks(collections) };
}

function backlogs({ model, raw }: Pick<ContactCollections, 'model' | 'raw'>) {
  return {
    /** Pending syncs of a destination: how many, how many of them of a backfill, and since when the oldest waits (ms). */
    async waiting(destination: string): Promise<{ count: number; backfill: number; oldest?: number }> {
      const filter = { marks: { $elemMatch: { destination } } };
      const [count, backfill, rows] = await Promise.all([
        model.countDocuments(filter, { limit: 1_000_000 }),
        model.countDocuments({ marks: { $elemMatch: { destination, backfill: true } } }, { limit: 1_000_000 }),
        model.aggregate<{ oldest: number }>([
          { $match: filter },
          { $limit: 10_000 },
          { $unwind: '$marks' },
          { $match: { 'marks.destination': destination } },
          { $group: { _id: null, oldest: { $min: '$marks.since' } } },
        ]),
      ]);
      return { count, backfill, ...(rows[0] ? { oldest: rows[0].oldest } : {}) };
    },

    async isDue(destination: string, now: number): Promise<boolean> {
      const due = { destination, backfill: { $in: ANY_BACKFILL }, due: { $lte: now } };
      return (await raw.findOne({ marks: { $elemMatch: due } }, { projection: { _id: 1 } })) !== null;
    },

    /** How many contacts were ever synced to a destination. */
    async countSynced(destination: string): Promise<number> {
      return model.countDocuments({ [`told.${destination}`]: { $exists: true } });
    },
  };
}

/** Raw: docs/decisions/raw-commands.md. */
function leases({ raw }: Pick<ContactCollections, 'raw'>, find: Find) {
  return {
    /**
     * Takes pending syncs under a lease that ends at `until` (ms). At most `limit`; none that another worker has. What was just
     * said goes before a backfill, however long that is.
     */
    async lease(
      destination: string,
      leaseOwner: string,
      now: number,
      until: number,
      limit: number,
    ): Promise<Contact[]> {
      const due = { $elemMatch: { destination, due: { $lte: now } } };
      const keys: Buffer[] = [];
      for (const backfill of [[null, false], [true]]) {
        if (keys.length >= limit) break;
        const rows = await raw
          .find(
            { marks: { $elemMatch: { destination, backfill: { $in: backfill }, due: { $lte: now } } } },
            { projection: { _id: 1 }, limit: limit - keys.length },
          )
          .toArray();
        keys.push(...rows.map(({ _id }) => _id));
      }
      if (keys.length === 0) return [];
      await raw.updateMany(
        { _id: { $in: keys }, marks: due },
        { $set: { 'marks.$.by': leaseOwner, 'marks.$.due': until } },
        { writeConcern: DURABLE },
      );
      const found = await find(keys);
      return [...found.values()].filter((c) =>
        c.pendingSyncs.some((one) => one.destination === destination && one.leaseOwner === leaseOwner),
      );
    },

    /**
     * Writes changes to one destination's pending sync and synced state, each only while the lease is still held.
     * `clearVersion` removes the pending sync if it is still at that version; otherwise it is set to `pendingSync`.
     */
    async settle(destination: string, leaseOwner: string, settlements: readonly Settlement[]): Promise<void> {
      const written = (synced: SyncedState | undefined) => (synced ? { [`told.${destination}`]: synced } : {});
      const bulk = (operations: Parameters<typeof raw.bulkWrite>[0]) =>
        raw.bulkWrite(operations, { ordered: false, writeConcern: DURABLE });
      const clearing = settlements.filter(({ clearVersion }) => clearVersion !== undefined);
      const cleared =
        clearing.length === 0
          ? 0
          : (
              await bulk(
                clearing.map(({ key, synced, clearVersion, evaluatedUnder, evaluateAgain }) => ({
                  updateOne: {
                    filter: {
                      _id: key,
                      marks: { $elemMatch: { destination, by: leaseOwner, version: clearVersion } },
                      ...(evaluatedUnder === undefined ? {} : { configuration: evaluatedUnder ?? { $exists: false } }),
                    },
                    update: {
                      $pull: { marks: { destination } },
                      ...(synced ? { $set: written(synced) } : {}),
                      ...(evaluateAgain ? { $unset: { configuration: '' } } : {}),
                    },
                  },
                })),
              )
            ).matchedCount;
      // Pending syncs that moved on meanwhile are still there; those that were not to be cleared are, too.
      const left =
        cleared === clearing.length
          ? settlements.filter(({ clearVersion }) => clearVersion === undefined)
          : settlements;
      if (left.length === 0) return;
      await bulk(
        left.map(({ key, synced, pendingSync }) => {
          const [unset, set] = pendingSyncUpdate(pendingSync);
          return {
            updateOne: {
              filter: { _id: key, marks: { $elemMatch: { destination, by: leaseOwner } } },
              update: { $set: { ...written(synced), ...set }, ...(unset ? { $unset: unset } : {}) },
            },
          };
        }),
      );
    },
  };
}

function marks({ model }: Pick<ContactCollections, 'model'>) {
  return {
    /** An accepted job is done: what was accepted is in force. */
    async confirmSynced(destination: string, binding: string, keys: readonly Buffer[]): Promise<void> {
      const status = `told.${destination}.bindings.${binding}.status`;
      await model.updateMany({ _id: { $in: keys }, [status]: 'accepted' }, { $set: { [status]: 'in_force' } });
    },

    /** Makes a sync pending for contacts: the state of these bindings at the destination is uncertain. */
    async markPending(
      destination: string,
      bindings: readonly string[],
      keys: readonly Buffer[],
      now: number,
    ): Promise<void> {
      if (keys.length === 0) return;
      const pendingSync = { destination, due: now, since: now, doubt: bindings, backfill: true };
      await model.updateMany(
        { _id: { $in: keys }, marks: { $elemMatch: { destination } } },
        { $addToSet: { 'marks.$.doubt': { $each: bindings } } },
        { writeConcern: DURABLE },
      );
      await model.updateMany(
        { _id: { $in: keys }, marks: { $not: { $elemMatch: { destination } } } },
        [
          {
            $set: {
              marks: {
                $concatArrays: [
                  { $ifNull: ['$marks', []] },
                  [{ $mergeObjects: [{ $literal: pendingSync }, { version: '$rev' }] }],
                ],
              },
            },
          },
        ],
        { updatePipeline: true, writeConcern: DURABLE },
      );
    },
  };
}
