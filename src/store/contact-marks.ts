import type { Collection } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';
import type { Contact, NewMark, Told } from './contact-rows.js';

/** Every value of a mark's `backfill`, so that the index is used whole. */
const ANY_HASTE = [null, false, true];

/** What a worker writes back for one contact and destination. */
export interface Settlement {
  readonly key: Buffer;
  readonly told?: Told;
  /** Remove the mark if it is still at this version. */
  readonly clearVersion?: number;
  /** Otherwise: the mark as it is left, and whether the lease ends. */
  readonly mark: {
    readonly due?: number;
    readonly release: boolean;
    readonly doubt?: readonly string[];
    readonly attempted?: string;
    readonly again?: boolean;
    readonly failures?: number;
  };
}

function markUpdate(mark: Settlement['mark']): [Record<string, ''> | undefined, Record<string, unknown>] {
  const set: Record<string, unknown> = {};
  if (mark.due !== undefined) set['marks.$.due'] = mark.due;
  if (mark.doubt !== undefined) set['marks.$.doubt'] = mark.doubt;
  if (mark.attempted !== undefined) set['marks.$.attempted'] = mark.attempted;
  if (mark.again !== undefined) set['marks.$.again'] = mark.again;
  if (mark.failures !== undefined) set['marks.$.failures'] = mark.failures;
  return [mark.release ? { 'marks.$.by': '' } : undefined, set];
}

/**
 * New marks laid over the ones that stand: a worker may have taken, tried or cleared a mark since the projector read it,
 * and what it wrote (lease, attempt) must not be lost, or two calls for one contact would be in flight.
 */
export function mergedMarks(marks: readonly NewMark[]): unknown {
  const standing = { $ifNull: ['$marks', []] };
  const names = marks.map(({ destination }) => destination);
  const others = {
    $filter: { input: standing, as: 'm', cond: { $not: [{ $in: ['$$m.destination', { $literal: names }] }] } },
  };
  const merged = marks.map((mark) => ({
    $let: {
      vars: {
        old: {
          $ifNull: [
            {
              $arrayElemAt: [
                { $filter: { input: standing, as: 'm', cond: { $eq: ['$$m.destination', mark.destination] } } },
                0,
              ],
            },
            {},
          ],
        },
      },
      in: {
        $mergeObjects: [
          { $literal: mark },
          '$$old',
          { $literal: { version: mark.version, backfill: mark.backfill === true } },
          { $cond: [{ $gt: ['$$old.by', null] }, {}, { $literal: { due: mark.due } }] },
        ],
      },
    },
  }));
  return { $concatArrays: [others, merged] };
}

/** Queries to the marks of contacts and to what destinations were told: those of the workers. */
export function contactMarks(contacts: Collection, find: (keys: readonly Buffer[]) => Promise<Map<string, Contact>>) {
  return {
    /** Marks of a destination: how many, how many of them of a backfill, and since when the oldest waits (ms). */
    async waiting(destination: string): Promise<{ count: number; backfill: number; oldest?: number }> {
      const filter = { marks: { $elemMatch: { destination } } };
      const [count, backfill, rows] = await Promise.all([
        contacts.countDocuments(filter, { limit: 1_000_000 }),
        contacts.countDocuments({ marks: { $elemMatch: { destination, backfill: true } } }, { limit: 1_000_000 }),
        contacts
          .aggregate([
            { $match: filter },
            { $limit: 10_000 },
            { $unwind: '$marks' },
            { $match: { 'marks.destination': destination } },
            { $group: { _id: null, oldest: { $min: '$marks.since' } } },
          ])
          .toArray(),
      ]);
      const oldest = rows[0]?.oldest;
      return typeof oldest === 'number' ? { count, backfill, oldest } : { count, backfill };
    },

    async isDue(destination: string, now: number): Promise<boolean> {
      const row = await contacts.findOne(
        { marks: { $elemMatch: { destination, backfill: { $in: ANY_HASTE }, due: { $lte: now } } } },
        { projection: { _id: 1 } },
      );
      return row !== null;
    },

    /**
     * Takes marks under a lease that ends at `until` (ms). At most `limit`; none that another worker has. What was just
     * said goes before a backfill, however long that is.
     */
    async lease(destination: string, by: string, now: number, until: number, limit: number): Promise<Contact[]> {
      const due = { $elemMatch: { destination, due: { $lte: now } } };
      const rows: { _id: unknown }[] = [];
      for (const backfill of [[null, false], [true]]) {
        if (rows.length >= limit) break;
        const found = await contacts
          .find(
            { marks: { $elemMatch: { destination, backfill: { $in: backfill }, due: { $lte: now } } } },
            { projection: { _id: 1 }, limit: limit - rows.length, promoteBuffers: true },
          )
          .toArray();
        rows.push(...found);
      }
      if (rows.length === 0) return [];
      await contacts.updateMany(
        { _id: { $in: rows.map((row) => row._id) }, marks: due } as never,
        { $set: { 'marks.$.by': by, 'marks.$.due': until } },
        { writeConcern: DURABLE },
      );
      const keys = rows.map((row) => bytesOf(row._id));
      const found = await find(keys);
      return [...found.values()].filter((c) =>
        c.marks.some((mark) => mark.destination === destination && mark.by === by),
      );
    },

    /**
     * Writes changes to one destination's mark and told state, each only while the lease is still held. `clearVersion`
     * removes the mark if it is still at that version; otherwise the mark is set to `mark`.
     */
    async settle(destination: string, by: string, settlements: readonly Settlement[]): Promise<void> {
      const written = (told: Told | undefined) => (told ? { [`told.${destination}`]: told } : {});
      const bulk = (operations: object[]) =>
        contacts.bulkWrite(operations as never, { ordered: false, writeConcern: DURABLE });
      const clearing = settlements.filter(({ clearVersion }) => clearVersion !== undefined);
      const cleared =
        clearing.length === 0
          ? 0
          : (
              await bulk(
                clearing.map(({ key, told, clearVersion }) => ({
                  updateOne: {
                    filter: { _id: binary(key), marks: { $elemMatch: { destination, by, version: clearVersion } } },
                    update: { $pull: { marks: { destination } }, ...(told ? { $set: written(told) } : {}) },
                  },
                })),
              )
            ).matchedCount;
      // Marks that moved on meanwhile are still there; those that were not to be cleared are, too.
      const left =
        cleared === clearing.length
          ? settlements.filter(({ clearVersion }) => clearVersion === undefined)
          : settlements;
      if (left.length === 0) return;
      await bulk(
        left.map(({ key, told, mark }) => {
          const [unset, kept] = markUpdate(mark);
          return {
            updateOne: {
              filter: { _id: binary(key), marks: { $elemMatch: { destination, by } } },
              update: { $set: { ...written(told), ...kept }, ...(unset ? { $unset: unset } : {}) },
            },
          };
        }),
      );
    },

    /** An accepted job is done: what was accepted is in force. */
    async confirmTold(destination: string, binding: string, keys: readonly Buffer[]): Promise<void> {
      const status = `told.${destination}.bindings.${binding}.status`;
      await contacts.updateMany({ _id: { $in: keys.map(binary) }, [status]: 'accepted' } as never, {
        $set: { [status]: 'in_force' },
      });
    },

    /** Marks contacts as to be told again: the state of these bindings at the destination is in doubt. */
    async remark(
      destination: string,
      bindings: readonly string[],
      keys: readonly Buffer[],
      now: number,
    ): Promise<void> {
      if (keys.length === 0) return;
      const mark = { destination, due: now, since: now, doubt: bindings, backfill: true };
      await contacts.updateMany(
        { _id: { $in: keys.map(binary) }, marks: { $elemMatch: { destination } } } as never,
        { $addToSet: { 'marks.$.doubt': { $each: bindings } } } as never,
        { writeConcern: DURABLE },
      );
      await contacts.updateMany(
        { _id: { $in: keys.map(binary) }, marks: { $not: { $elemMatch: { destination } } } } as never,
        [
          {
            $set: {
              marks: {
                $concatArrays: [
                  { $ifNull: ['$marks', []] },
                  [{ $mergeObjects: [{ $literal: mark }, { version: '$rev' }] }],
                ],
              },
            },
          },
        ],
        { writeConcern: DURABLE },
      );
    },

    /** How many contacts a destination was ever told of. */
    async countTold(destination: string): Promise<number> {
      return contacts.countDocuments({ [`told.${destination}`]: { $exists: true } });
    },
  };
}
