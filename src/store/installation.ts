import { type Connection, Schema } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

/** Keyed fingerprints of every secret, hex: they tell that a secret is the same, and nothing of what it is. */
export interface SecretFingerprints {
  readonly lookup: string;
  /** By key id. */
  readonly roots: Readonly<Record<string, string>>;
}

/** The secrets that this database was made with, and its own random id. */
export interface InstallationRecord extends SecretFingerprints {
  /** 16 hex digits, made once: tells one installation's journal from another's. */
  readonly id: string;
}

interface InstallationRow extends InstallationRecord {
  readonly _id: 'installation';
}

const installationSchema = collectionSchema<InstallationRow>('installation', {
  _id: { type: String, required: true, enum: ['installation'] },
  id: { type: String, required: true },
  lookup: { type: String, required: true },
  roots: { type: Schema.Types.Mixed, required: true },
});

/** One document: what this database is, and fingerprints of the secrets that its records were made with. */
export function createInstallation(connection: Connection, machine: Pick<Machine, 'randomBytes'>) {
  const model = connection.model('Installation', installationSchema);
  const _id = 'installation';

  async function read(): Promise<InstallationRecord | undefined> {
    const row = await model.findOne({ _id }, { _id: 0 }).readConcern('majority').lean();
    return row ?? undefined;
  }

  return {
    models: [model] as const,
    read,

    /**
     * Registers the fingerprints of secrets that are not known yet, and returns all that are in force then. What is
     * registered already stays as it is, so of processes that start at the same moment with different secrets one wins,
     * and the others find that theirs do not match.
     */
    async register(secrets: SecretFingerprints): Promise<InstallationRecord> {
      const first = { id: machine.randomBytes(8).toString('hex'), lookup: secrets.lookup, roots: {} };
      await model
        .updateOne({ _id }, { $setOnInsert: first }, { upsert: true, writeConcern: DURABLE })
        .catch((error: unknown) => {
          // Another process made it at the same moment.
          if (!isDuplicate(error)) throw error;
        });
      const roots = Object.entries(secrets.roots).map(([kid, value]) => ({ field: `roots.${kid}`, value }));
      // All or none: a process with one wrong secret registers nothing.
      await model.updateOne(
        {
          _id,
          lookup: secrets.lookup,
          $and: roots.map(({ field, value }) => ({ [field]: { $in: [null, value] } })),
        },
        { $set: Object.fromEntries(roots.map(({ field, value }) => [field, value])) },
        { writeConcern: DURABLE },
      );
      const record = await read();
      if (!record) throw new Error('the installation was not registered');
      return record;
    },
  };
}

export type InstallationStore = ReturnType<typeof createInstallation>;
