import { type Model, Schema } from 'mongoose';
import { collectionSchema, partSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** A link with which the package can be fetched once. */
export interface Download {
  readonly id: string;
  /** Keyed hash of the link's token. */
  readonly token: string;
  readonly salt: Buffer;
  /** Opens only with the right passphrase. */
  readonly check: Buffer;
  readonly size: number;
  readonly chunks: number;
  /** Passphrases that may still be tried. */
  readonly attempts: number;
  readonly at: number;
  readonly until: number;
  /** ms; while it is being fetched: when another fetch may begin. */
  readonly servedUntil?: number;
}

const SYSTEM_STATES = ['waiting', 'answered', 'partial', 'nothing_held', 'not_answered', 'refused'] as const;

/** How one outside system stands. */
export interface AskedSystem {
  readonly name: string;
  readonly state: (typeof SYSTEM_STATES)[number];
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

const PACKAGE_STATES = ['gathering', 'ready', 'delivered', 'failed'] as const;
export type StoredState = (typeof PACKAGE_STATES)[number];

const WAYS = ['download', 'openpgp', 'print'] as const;

export interface StoredPackage {
  readonly id: string;
  readonly request: string;
  readonly contacts: readonly Buffer[];
  readonly language: string;
  readonly brand: string;
  readonly way: (typeof WAYS)[number];
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

const TIMES = ['at', 'readyAt', 'until', 'deliveredAt', 'openedAt'] as const;
const { toRow, fromRow } = rowsOf<StoredPackage, (typeof TIMES)[number]>(TIMES);

export interface PackageRow extends Stored<StoredPackage, (typeof TIMES)[number]> {
  /** When somebody is to go on with it: the end of the lease while somebody has it; absent once nothing is left to do. */
  readonly due?: Date;
  readonly lease?: string;
}

export const packageSchema = collectionSchema<PackageRow>('access_packages', {
  _id: { type: String, required: true },
  request: { type: String, required: true },
  contacts: { type: [Buffer], required: true },
  language: { type: String, required: true },
  brand: { type: String, required: true },
  way: { type: String, required: true, enum: WAYS },
  sealed: Buffer,
  state: { type: String, required: true, enum: PACKAGE_STATES },
  by: { type: String, required: true },
  at: { type: Date, required: true },
  systems: {
    type: [
      partSchema<AskedSystem>({
        name: { type: String, required: true },
        state: { type: String, required: true, enum: SYSTEM_STATES },
        attempts: { type: Number, required: true },
        due: { type: Number, required: true },
        deadline: { type: Number, required: true },
        at: Number,
        fault: String,
      }),
    ],
    required: true,
  },
  key: Buffer,
  build: String,
  files: Schema.Types.Mixed,
  readyAt: Date,
  until: Date,
  deliveredAt: Date,
  deliveredBy: String,
  openedAt: Date,
  download: partSchema<Download>({
    id: { type: String, required: true },
    token: { type: String, required: true },
    salt: { type: Buffer, required: true },
    check: { type: Buffer, required: true },
    size: { type: Number, required: true },
    chunks: { type: Number, required: true },
    attempts: { type: Number, required: true },
    at: { type: Number, required: true },
    until: { type: Number, required: true },
    servedUntil: Number,
  }),
  fault: String,
  due: Date,
  lease: String,
});
packageSchema.index({ request: 1 }, { unique: true });
packageSchema.index({ due: 1 }, { sparse: true });
packageSchema.index({ at: -1 });
packageSchema.index({ until: 1 }, { sparse: true });
packageSchema.index({ contacts: 1 });
packageSchema.index({ 'download.token': 1 }, { sparse: true });

/** A piece of a file or answer, sealed. */
export interface PartRow {
  readonly _id: string;
  readonly package: string;
  readonly sealed: Buffer;
  readonly until: Date;
}

export const partsSchema = collectionSchema<PartRow>('access_parts', {
  _id: { type: String, required: true },
  package: { type: String, required: true },
  sealed: { type: Buffer, required: true },
  until: { type: Date, required: true },
});
partsSchema.index({ package: 1 });
// A part outlives its package in no case, not even one that a crash left behind.
partsSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

export interface AccessModels {
  readonly packages: Model<PackageRow>;
  readonly parts: Model<PartRow>;
}

export { toRow as packageRow };

export function packageFrom({ due: _due, lease: _lease, ...row }: PackageRow): StoredPackage {
  return fromRow(row);
}
