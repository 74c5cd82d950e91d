import type { Connection } from 'mongoose';
import { accessDownloads } from './access-downloads.js';
import {
  type AccessModels,
  type PackageRow,
  type PartRow,
  packageFrom,
  packageRow,
  packageSchema,
  partsSchema,
  type StoredPackage,
} from './access-rows.js';
import { DURABLE, isDuplicate } from './connect.js';

export type { AskedSystem, Download, StoredPackage, StoredState } from './access-rows.js';

/** Packages for access requests, and their parts: sealed pieces of files and answers. */
export function createAccessStore(connection: Connection) {
  const packages = connection.model<PackageRow>('AccessPackage', packageSchema);
  const parts = connection.model<PartRow>('AccessPart', partsSchema);
  const models = { packages, parts };
  return {
    models: [packages, parts] as const,
    ...accessReads(models),
    ...accessBuilds(models),
    ...accessDownloads(models),
    ...accessEnds(models),
  };
}

export type AccessStore = ReturnType<typeof createAccessStore>;

function accessReads({ packages, parts }: AccessModels) {
  return {
    async get(id: string): Promise<StoredPackage | undefined> {
      const row = await packages.findById(id).lean();
      return row ? packageFrom(row) : undefined;
    },

    async list(skip: number, limit: number): Promise<{ rows: StoredPackage[]; total: number }> {
      const [rows, total] = await Promise.all([
        packages.find().sort({ at: -1 }).skip(skip).limit(limit).lean(),
        packages.countDocuments({}, { limit: 100_000 }),
      ]);
      return { rows: rows.map(packageFrom), total };
    },

    part: async (id: string, name: string): Promise<Buffer | undefined> =>
      (await parts.findById(`${id}/${name}`).lean())?.sealed,
  };
}

function accessBuilds({ packages, parts }: AccessModels) {
  return {
    /** The package of the request: the new one, or the one there was. */
    async begin(made: StoredPackage): Promise<StoredPackage> {
      const row = packageRow(made);
      try {
        await packages.insertOne(
          { ...row, contacts: [...made.contacts], systems: [...made.systems], due: row.at },
          { writeConcern: DURABLE },
        );
        return made;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        const other = await packages.findOne({ request: made.request }).lean();
        if (!other) throw error;
        return packageFrom(other);
      }
    },

    /** One that is due, under a lease: whoever loses it can write nothing any more. */
    async take(lease: string, now: Date, until: Date): Promise<StoredPackage | undefined> {
      const options = { sort: { due: 1 }, returnDocument: 'after' } as const;
      const change = { $set: { lease, due: until } };
      const row = await packages.findOneAndUpdate({ due: { $lte: now } }, change, options).lean();
      return row ? packageFrom(row) : undefined;
    },

    /** Writes what the holder of the lease found out; false when the lease is another's. `due` absent: nothing is left to do. */
    async settle(
      id: string,
      lease: string,
      change: Partial<Pick<StoredPackage, 'systems' | 'state' | 'build' | 'files' | 'fault'>> & {
        readonly readyAt?: Date;
        readonly until?: Date;
        readonly due?: Date;
      },
    ): Promise<boolean> {
      const { due, ...set } = change;
      const { modifiedCount } = await packages.updateOne(
        { _id: id, lease },
        due === undefined
          ? { $set: set, $unset: { due: '', lease: '' } }
          : { $set: { ...set, due }, $unset: { lease: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    async keepPart(id: string, name: string, sealed: Buffer, until: Date): Promise<void> {
      const change = { $set: { package: id, sealed, until } };
      await parts.updateOne({ _id: `${id}/${name}` }, change, { upsert: true, writeConcern: DURABLE });
    },

    async delivered(id: string, by: string, at: Date): Promise<boolean> {
      const { modifiedCount } = await packages.updateOne(
        { _id: id, state: 'ready' },
        { $set: { state: 'delivered', deliveredAt: at, deliveredBy: by } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },
  };
}

function accessEnds(models: AccessModels) {
  const { packages } = models;
  return {
    purge: (id: string): Promise<void> => purge(models, id),

    /** Packages with a key that are over. */
    async over(now: Date): Promise<string[]> {
      const rows = await packages
        .find({ until: { $lte: now }, key: { $exists: true } }, { _id: 1 })
        .limit(100)
        .lean();
      return rows.map(({ _id }) => _id);
    },

    /** Packages sent by OpenPGP whose parts are still there. */
    async mailed(): Promise<string[]> {
      const filter = { way: 'openpgp', state: 'delivered', key: { $exists: true } } as const;
      return (await packages.find(filter, { _id: 1 }).limit(100).lean()).map(({ _id }) => _id);
    },

    /** What was gathered of erased contacts goes at once. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      const rows = await packages.find({ contacts: { $in: contacts }, key: { $exists: true } }, { _id: 1 }).lean();
      for (const { _id } of rows) await purge(models, _id);
    },
  };
}

/** Destroys key and parts; the record of what was done stays. */
async function purge({ packages, parts }: AccessModels, id: string): Promise<void> {
  const change = { $unset: { key: '', sealed: '', download: '', due: '', lease: '' } };
  await packages.updateOne({ _id: id }, change, { writeConcern: DURABLE });
  await parts.deleteMany({ package: id }, { writeConcern: DURABLE });
}
