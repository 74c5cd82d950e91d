import type { Collection } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** An erasure that is left to an officer waits where a destination refused the address, until the officer decides. */
const NOT_REFUSED = {
  $or: [
    { officer: { $ne: true } },
    {
      $expr: {
        $not: {
          $anyElementTrue: {
            $map: {
              input: { $objectToArray: { $ifNull: ['$told', {}] } },
              in: { $ne: [{ $type: '$$this.v.parked' }, 'missing'] },
            },
          },
        },
      },
    },
  ],
};

/** Queries of an erasure: from the denials on their way to the key that is destroyed. */
export function contactErasure(contacts: Collection) {
  return {
    /** An officer sees to the erasure of these contacts: where a destination refuses one, the data waits for their word. */
    async leaveToOfficer(keys: readonly Buffer[]): Promise<void> {
      await contacts.updateMany(
        { _id: { $in: keys.map(binary) } as never },
        { $set: { officer: true } },
        { writeConcern: DURABLE },
      );
    },

    /** Ends an erasure: no destination waits any more, so the key that opens the address and evidence goes. */
    async destroyData(key: Buffer): Promise<boolean> {
      const result = await contacts.updateOne(
        {
          _id: binary(key) as never,
          erasing: true,
          'marks.0': { $exists: false },
          'pending.0': { $exists: false },
          ...NOT_REFUSED,
        },
        { $unset: { dataKey: '', address: '', erasing: '', officer: '' }, $set: { keyedOnly: true }, $inc: { rev: 1 } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /**
     * An officer waits no longer: what destinations are still to be told of these erased contacts is given up, so that the
     * data can go. Returns the names of the destinations.
     */
    async abandonPendingSyncs(keys: readonly Buffer[]): Promise<string[]> {
      const filter = { _id: { $in: keys.map(binary) }, erasing: true } as never;
      const names = await contacts.distinct('marks.destination', filter);
      await contacts.updateMany(filter, { $set: { marks: [] }, $unset: { officer: '' } }, { writeConcern: DURABLE });
      return names.map(String);
    },

    async erasingKeys(limit: number): Promise<Buffer[]> {
      const rows = await contacts
        .find({ erasing: true, 'marks.0': { $exists: false }, ...NOT_REFUSED } as never, {
          projection: { _id: 1 },
          limit,
          promoteBuffers: true,
        })
        .toArray();
      return rows.map((row) => bytesOf(row._id));
    },
  };
}
