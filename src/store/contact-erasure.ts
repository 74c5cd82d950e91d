import type { QueryFilter } from 'mongoose';
import { DURABLE } from './connect.js';
import type { ContactCollections, ContactRow } from './contact-rows.js';

/** An erasure that is left to an officer waits where a destination refused the address, until the officer decides. */
const NOT_REFUSED: QueryFilter<ContactRow> = {
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
export function contactErasure({ model }: Pick<ContactCollections, 'model'>) {
  return {
    /** An officer sees to the erasure of these contacts: where a destination refuses one, the data waits for their word. */
    async leaveToOfficer(keys: readonly Buffer[]): Promise<void> {
      await model.updateMany({ _id: { $in: keys } }, { $set: { officer: true } }, { writeConcern: DURABLE });
    },

    /**
     * Ends an erasure: no destination waits any more, so the key that opens the address and evidence goes.
     *
     * @param keySeed of another data key, should the person come back
     */
    async destroyData(key: Buffer, keySeed: Buffer): Promise<boolean> {
      const result = await model.updateOne(
        {
          _id: key,
          erasing: true,
          'marks.0': { $exists: false },
          'pending.0': { $exists: false },
          ...NOT_REFUSED,
        },
        {
          $unset: { dataKey: '', address: '', erasing: '', officer: '' },
          $set: { keyedOnly: true, keySeed },
          $inc: { rev: 1 },
        },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /**
     * An officer waits no longer: what destinations are still to be told of these erased contacts is given up, so that the
     * data can go. Returns the names of the destinations.
     */
    async abandonPendingSyncs(keys: readonly Buffer[]): Promise<string[]> {
      const filter = { _id: { $in: keys }, erasing: true } as const;
      const names = await model.distinct('marks.destination', filter);
      await model.updateMany(filter, { $set: { marks: [] }, $unset: { officer: '' } }, { writeConcern: DURABLE });
      return names.map(String);
    },

    async erasingKeys(limit: number): Promise<Buffer[]> {
      const filter: QueryFilter<ContactRow> = { ...NOT_REFUSED, erasing: true, 'marks.0': { $exists: false } };
      return (await model.find(filter, { _id: 1 }).limit(limit).lean()).map(({ _id }) => _id);
    },
  };
}
