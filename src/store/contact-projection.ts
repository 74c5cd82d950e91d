import type { State } from '../core/fold.js';
import type { Machine } from '../core/machine.js';
import type { Scope } from '../core/scope.js';
import type { NewPendingSync } from '../core/sync-state.js';
import { DURABLE } from './connect.js';
import { mergedPendingSyncs } from './contact-pending-syncs.js';
import type { ContactCollections } from './contact-rows.js';

/** Result of projecting one contact. */
export interface Projection {
  readonly key: Buffer;
  readonly rev: number;
  readonly state: State;
  readonly entries: number;
  readonly movedIds: readonly string[];
  /** What the change is about, for the feed. */
  readonly scopes: readonly Scope[];
  /** The count of overflow that was read whole; absent when some of it is left. */
  readonly overflow: number | undefined;
  readonly pendingSyncs: readonly NewPendingSync[];
  readonly wakeAt?: number;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing: boolean;
  /** False when nothing holds otherwise than before: the feed has nothing to say. */
  readonly changed: boolean;
  readonly configuration: string;
}

/** The one update of a contact's projection, conditional on the revision it was read at. */
function projectionUpdate(p: Projection) {
  return {
    updateOne: {
      filter: { _id: p.key, rev: p.rev },
      update: [
        {
          $set: {
            state: { $literal: p.state },
            entries: p.entries,
            rev: p.rev + 1,
            marks: mergedPendingSyncs(p.pendingSyncs),
            wakeAt: p.wakeAt === undefined ? '$$REMOVE' : new Date(p.wakeAt),
            keyedOnly: p.keyedOnly,
            erasing: p.erasing ? true : '$$REMOVE',
            configuration: p.configuration,
            touched: '$$REMOVE',
            // A number the feed's leader takes it away by: it only does so for the change it has seen.
            ...(p.changed
              ? {
                  feed: p.rev + 1,
                  feedScopes: { $setUnion: [{ $ifNull: ['$feedScopes', []] }, { $literal: p.scopes }] },
                }
              : {}),
            ...(p.dataKey ? { dataKey: p.dataKey, keySeed: '$$REMOVE' } : {}),
            ...(p.address ? { address: p.address } : {}),
            pending: {
              $filter: {
                input: '$pending',
                as: 'e',
                cond: { $not: [{ $in: ['$$e.id', { $literal: p.movedIds }] }] },
              },
            },
            overflow: { $cond: [{ $eq: [{ $ifNull: ['$overflow', 0] }, p.overflow ?? -1] }, 0, '$overflow'] },
          },
        },
        {
          $set: {
            dirty: {
              $cond: [{ $and: [{ $eq: [{ $size: '$pending' }, 0] }, { $eq: ['$overflow', 0] }] }, '$$REMOVE', '$dirty'],
            },
          },
        },
      ],
    },
  };
}

/** What the projector asks and writes: raw where docs/decisions/raw-commands.md says so. */
export function contactProjection({ model, raw, overflow }: ContactCollections, machine: Pick<Machine, 'now'>) {
  return {
    /** Keys of contacts with pending events, oldest first, after so many that were found impossible to project. */
    async dirtyKeys(limit: number, before = new Date(machine.now()), skip = 0): Promise<Buffer[]> {
      const dirty = { dirty: { $lte: before } };
      const rows = await model.find(dirty, { _id: 1 }).sort({ dirty: 1 }).skip(skip).limit(limit).lean();
      return rows.map(({ _id }) => _id);
    },

    /** How many contacts wait for projection, and since when the oldest does (ms). */
    async backlog(): Promise<{ count: number; oldest?: number }> {
      const [count, oldest] = await Promise.all([
        model.countDocuments({ dirty: { $exists: true } }, { limit: 100_000 }),
        model
          .findOne({ dirty: { $exists: true } }, { dirty: 1 })
          .sort({ dirty: 1 })
          .lean(),
      ]);
      return oldest?.dirty ? { count, oldest: oldest.dirty.getTime() } : { count };
    },

    /**
     * The projector's one update a contact, conditional on the revision it read: new snapshot, marks, and the moved events
     * gone from pending, while whatever arrived meanwhile stays. Returns how many were still at their revision.
     */
    async project(projections: readonly Projection[]): Promise<number> {
      const operations = projections.map(projectionUpdate);
      const result = await raw.bulkWrite(operations, { ordered: false, writeConcern: DURABLE });
      return result.matchedCount;
    },

    /** How many entries are in the snapshot, by contact (hex), as a majority has it. */
    async entriesOf(keys: readonly Buffer[]): Promise<Map<string, number>> {
      const rows = await model
        .find({ _id: { $in: keys } }, { entries: 1 })
        .readConcern('majority')
        .lean();
      return new Map(rows.map(({ _id, entries }) => [_id.toString('hex'), entries]));
    },

    /** Drops overflow documents whose events are in the ledger. */
    async dropOverflow(key: Buffer, ids: readonly string[]): Promise<void> {
      await overflow.deleteMany({ _id: { $in: ids.map((id) => `${key.toString('hex')}:${id}`) } });
    },

    /** Overflow documents whose contact does not count them: a crash between the two writes. */
    async adoptOverflow(): Promise<void> {
      const keys = await overflow.distinct('contact');
      for (const key of keys) {
        await model.updateOne(
          { _id: key, overflow: { $in: [0, null] } },
          { $inc: { overflow: 1 }, $min: { dirty: new Date(machine.now()) } },
        );
      }
    },
  };
}
