import { type Connection, Schema } from 'mongoose';
import { createAccessDownloads, type Download, downloadFrom } from './access-downloads.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

/** How one outside system stands. */
export interface AskedSystem {
  readonly name: string;
  readonly state: 'waiting' | 'answered' | 'partial' | 'nothing_held' | 'not_answered' | 'refused';
  readonly attempts: number;
  /** ms; when it is asked next. */
  readonly due: number;
  /** ms; how long it is waited for. */
  readonly deadline: number;
  /** ms; when it answered. */
  readonly at?: number;
  /** A code of what went wrong last. */
  readonly fault?: string;
}

export type StoredState = 'gathering' | 'ready' | 'delivered' | 'failed';

export interface StoredPackage {
  readonly id: string;
  readonly request: string;
  readonly contacts: readonly Buffer[];
  readonly language: string;
  readonly brand: string;
  readonly way: 'download' | 'openpgp' | 'print';
  /** Key and address for OpenPGP. */
  readonly sealed?: Buffer;
  readonly state: StoredState;
  readonly by: string;
  readonly at: number;
  readonly systems: readonly AskedSystem[];
  /** Key of the parts, sealed; gone once they are purged. */
  readonly key?: Buffer;
  /** Which build's parts count. */
  readonly build?: string;
  /** Chunks and bytes of each file. */
  readonly files?: Readonly<Record<string, { readonly chunks: number; readonly size: number }>>;
  readonly readyAt?: number;
  readonly until?: number;
  readonly deliveredAt?: number;
  readonly deliveredBy?: string;
  readonly openedAt?: number;
  readonly download?: Download;
  readonly fault?: string;
}

const packageSchema = new Schema(
  {
    _id: String,
    request: String,
    contacts: [Buffer],
    language: String,
    brand: String,
    way: String,
    sealed: Buffer,
    state: String,
    by: String,
    at: Date,
    systems: [Schema.Types.Mixed],
    key: Buffer,
    build: String,
    files: Schema.Types.Mixed,
    readyAt: Date,
    until: Date,
    deliveredAt: Date,
    deliveredBy: String,
    openedAt: Date,
    download: Schema.Types.Mixed,
    fault: String,
    due: Date,
    lease: String,
  },
  { collection: 'access_packages', versionKey: false },
);
packageSchema.index({ request: 1 }, { unique: true });
packageSchema.index({ due: 1 }, { sparse: true });
packageSchema.index({ at: -1 });
packageSchema.index({ until: 1 }, { sparse: true });
packageSchema.index({ contacts: 1 });
packageSchema.index({ 'download.token': 1 }, { sparse: true });

const partSchema = new Schema(
  { _id: String, package: String, sealed: Buffer, until: Date },
  { collection: 'access_parts', versionKey: false },
);
partSchema.index({ package: 1 });
// A part outlives its package in no case, not even one that a crash left behind.
partSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

type Row = Record<string, unknown> & { _id: unknown };

const ms = (value: unknown): number | undefined => (value instanceof Date ? value.getTime() : undefined);

function packageFrom(row: Row): StoredPackage {
  const times = Object.fromEntries(
    ['readyAt', 'until', 'deliveredAt', 'openedAt'].flatMap((name) => {
      const at = ms(row[name]);
      return at === undefined ? [] : [[name, at]];
    }),
  );
  const download = downloadFrom(row.download);
  return {
    id: String(row._id),
    request: String(row.request),
    contacts: ((row.contacts ?? []) as unknown[]).map(bytesOf),
    language: String(row.language),
    brand: String(row.brand),
    way: row.way as StoredPackage['way'],
    state: row.state as StoredState,
    by: String(row.by),
    at: ms(row.at) ?? 0,
    systems: (row.systems ?? []) as AskedSystem[],
    ...(row.sealed ? { sealed: bytesOf(row.sealed) } : {}),
    ...(row.key ? { key: bytesOf(row.key) } : {}),
    ...(row.build ? { build: String(row.build) } : {}),
    ...(row.files ? { files: row.files as NonNullable<StoredPackage['files']> } : {}),
    ...(row.deliveredBy ? { deliveredBy: String(row.deliveredBy) } : {}),
    ...(row.fault ? { fault: String(row.fault) } : {}),
    ...(download ? { download } : {}),
    ...times,
  };
}

/** Packages for access requests, and their parts: sealed pieces of files and answers. */
export function createAccessStore(connection: Connection) {
  const model = connection.model('AccessPackage', packageSchema);
  const partModel = connection.model('AccessPart', partSchema);
  const packages = model.collection;
  const partsOf = partModel.collection;
  const id = (text: string): object => ({ _id: text });
  const found = (row: unknown) => (row ? packageFrom(row as Row) : undefined);
  const BUFFERS = { promoteBuffers: true } as const;

  return {
    models: [model, partModel] as const,

    /** The package of the request: the new one, or the one there was. */
    async begin(made: StoredPackage): Promise<StoredPackage> {
      const { id: _id, contacts, sealed, key, at, systems, ...rest } = made;
      try {
        await packages.insertOne(
          {
            ...id(_id),
            ...rest,
            at: new Date(at),
            due: new Date(at),
            contacts: contacts.map(binary),
            systems: systems.map((system) => ({ ...system })),
            ...(sealed ? { sealed: binary(sealed) } : {}),
            ...(key ? { key: binary(key) } : {}),
          },
          { writeConcern: DURABLE },
        );
        return made;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        const other = found(await packages.findOne({ request: made.request }, BUFFERS));
        if (!other) throw error;
        return other;
      }
    },

    get: async (one: string) => found(await packages.findOne(id(one), BUFFERS)),
    byToken: async (token: string) => found(await packages.findOne({ 'download.token': token }, BUFFERS)),

    async list(skip: number, limit: number): Promise<{ rows: StoredPackage[]; total: number }> {
      const [rows, total] = await Promise.all([
        packages.find({}, { sort: { at: -1 }, skip, limit, ...BUFFERS }).toArray(),
        packages.countDocuments({}, { limit: 100_000 }),
      ]);
      return { rows: rows.map((row) => packageFrom(row as Row)), total };
    },

    /** One that is due, under a lease: whoever loses it can write nothing any more. */
    async take(lease: string, now: Date, until: Date): Promise<StoredPackage | undefined> {
      return found(
        await packages.findOneAndUpdate(
          { due: { $lte: now } },
          { $set: { lease, due: until } },
          { sort: { due: 1 }, returnDocument: 'after', ...BUFFERS },
        ),
      );
    },

    /** Writes what the holder of the lease found out; false when the lease is another's. `due` absent: nothing is left to do. */
    async settle(
      one: string,
      lease: string,
      change: Partial<Pick<StoredPackage, 'systems' | 'state' | 'build' | 'files' | 'fault'>> & {
        readonly readyAt?: Date;
        readonly until?: Date;
        readonly due?: Date;
      },
    ): Promise<boolean> {
      const { due, ...set } = change;
      const { modifiedCount } = await packages.updateOne(
        { ...id(one), lease },
        due === undefined
          ? { $set: set, $unset: { due: '', lease: '' } }
          : { $set: { ...set, due }, $unset: { lease: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    async keepPart(one: string, name: string, sealed: Buffer, until: Date): Promise<void> {
      await partsOf.updateOne(
        id(`${one}/${name}`),
        { $set: { package: one, sealed: binary(sealed), until } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async part(one: string, name: string): Promise<Buffer | undefined> {
      const row = await partsOf.findOne(id(`${one}/${name}`), BUFFERS);
      return row ? bytesOf(row.sealed) : undefined;
    },

    ...createAccessDownloads({ packages, parts: partsOf, found }),

    async delivered(one: string, by: string, at: Date): Promise<boolean> {
      const { modifiedCount } = await packages.updateOne(
        { ...id(one), state: 'ready' },
        { $set: { state: 'delivered', deliveredAt: at, deliveredBy: by } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    /** Destroys key and parts; the record of what was done stays. */
    async purge(one: string): Promise<void> {
      await packages.updateOne(
        id(one),
        { $unset: { key: '', sealed: '', download: '', due: '', lease: '' } },
        { writeConcern: DURABLE },
      );
      await partsOf.deleteMany({ package: one }, { writeConcern: DURABLE });
    },

    /** Packages with a key that are over. */
    async over(now: Date): Promise<string[]> {
      const rows = await packages
        .find({ until: { $lte: now }, key: { $exists: true } }, { projection: { _id: 1 }, limit: 100 })
        .toArray();
      return rows.map((row) => String(row._id));
    },

    /** Packages sent by OpenPGP whose parts are still there. */
    async mailed(): Promise<string[]> {
      const rows = await packages
        .find({ way: 'openpgp', state: 'delivered', key: { $exists: true } }, { projection: { _id: 1 }, limit: 100 })
        .toArray();
      return rows.map((row) => String(row._id));
    },

    /** What was gathered of erased contacts goes at once. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      const rows = await packages
        .find({ contacts: { $in: contacts.map(binary) }, key: { $exists: true } }, { projection: { _id: 1 } })
        .toArray();
      for (const row of rows) await this.purge(String(row._id));
    },
  };
}

export type AccessStore = ReturnType<typeof createAccessStore>;
