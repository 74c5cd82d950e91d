import { createHash } from 'node:crypto';
import type { Connection } from 'mongoose';
import { KEY_SCOPES, type KeyScope } from '../core/key-scopes.js';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

export interface ApiKey {
  /** First letters of the key: enough to name it, not to use it. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly createdAt: Date;
  readonly revokedAt?: Date;
}

interface KeyRow extends Stored<ApiKey> {
  readonly hash: string;
  /** Of a key from the environment that another one took the place of. */
  readonly replaced?: true;
}

const keySchema = collectionSchema<KeyRow>('api_keys', {
  _id: { type: String, required: true },
  hash: { type: String, required: true },
  name: { type: String, required: true },
  scopes: { type: [{ type: String, enum: KEY_SCOPES }], required: true },
  createdAt: { type: Date, required: true },
  revokedAt: Date,
  replaced: Boolean,
});
keySchema.index({ hash: 1 }, { unique: true });

/** SHA-256 is enough: keys are 32 random bytes, not passwords. */
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
/** How long (ms) a known key is believed without asking the store: the longest a revocation takes. */
const BELIEVED = 2000;

/** Name of the key that the environment gives. */
const BOOTSTRAP = 'HUSH_API_KEY';

/** API keys: only their hashes are kept. */
export function createApiKeys(connection: Connection, machine: Pick<Machine, 'now' | 'randomBytes'>) {
  const model = connection.model('ApiKey', keySchema);
  const { fromRow } = rowsOf<ApiKey>();
  const PUBLIC = { hash: 0, replaced: 0 } as const;
  const believed = new Map<string, { key: ApiKey | undefined; until: number }>();

  async function find(hash: string): Promise<ApiKey | undefined> {
    const row = await model.findOne({ hash, revokedAt: { $exists: false } }, PUBLIC).lean();
    return row ? fromRow(row) : undefined;
  }

  async function put(key: string, name: string, scopes: readonly KeyScope[]): Promise<string> {
    const hash = hashOf(key);
    const id = hash.slice(0, 10);
    await model.updateOne(
      { _id: id },
      { $set: { hash, name, scopes: [...scopes] }, $setOnInsert: { createdAt: new Date(machine.now()) } },
      { upsert: true, writeConcern: DURABLE },
    );
    return id;
  }

  return {
    models: [model] as const,

    /** Makes a key; its text is returned once and never stored. */
    async create(name: string, scopes: readonly KeyScope[]): Promise<{ id: string; key: string }> {
      const key = `hk_${machine.randomBytes(32).toString('base64url')}`;
      return { id: await put(key, name, scopes), key };
    },

    /** Makes a key whose text the operator chose (`HUSH_API_KEY`), with every scope, and ends the one it replaces. */
    async ensure(key: string): Promise<void> {
      const id = await put(key, BOOTSTRAP, KEY_SCOPES);
      // One that the operator revoked stays revoked; one that was replaced and is set again works again.
      await model.updateOne(
        { _id: id, replaced: true },
        { $unset: { revokedAt: '', replaced: '' } },
        { writeConcern: DURABLE },
      );
      await model.updateMany(
        { _id: { $ne: id }, name: BOOTSTRAP, revokedAt: { $exists: false } },
        { $set: { revokedAt: new Date(machine.now()), replaced: true } },
        { writeConcern: DURABLE },
      );
    },

    async revoke(id: string): Promise<boolean> {
      const result = await model.updateOne(
        { _id: id, revokedAt: { $exists: false } },
        { $set: { revokedAt: new Date(machine.now()) } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    async list(): Promise<ApiKey[]> {
      const rows = await model.find({}, PUBLIC).sort({ createdAt: 1 }).lean();
      return rows.map(fromRow);
    },

    async authenticate(key: string): Promise<ApiKey | undefined> {
      const hash = hashOf(key);
      const now = machine.now();
      const known = believed.get(hash);
      if (known && known.until > now) return known.key;
      const found = await find(hash);
      if (believed.size > 10_000) believed.clear();
      believed.set(hash, { key: found, until: now + BELIEVED });
      return found;
    },
  };
}

export type ApiKeys = ReturnType<typeof createApiKeys>;
