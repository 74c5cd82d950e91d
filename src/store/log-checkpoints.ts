import type { Connection, Model, QueryFilter } from 'mongoose';
import type { Machine } from '../core/machine.js';
import type { Hash } from '../core/merkle.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema, partSchema } from './schema.js';

/** A published checkpoint. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Hash;
  /** ms; when it was signed. */
  readonly at: number;
  /** The signed note without cosignatures. */
  readonly note: string;
  /** Signature lines of witnesses, each with its newline. */
  readonly cosignatures: readonly string[];
}

interface Cosignature {
  readonly witness: string;
  readonly line: string;
}
interface CheckpointRow {
  /** Size of the tree. */
  readonly _id: number;
  readonly root: Hash;
  readonly at: Date;
  readonly note: string;
  readonly cosignatures?: readonly Cosignature[];
}
interface KeyRow {
  readonly _id: number;
  readonly since: Date;
}
interface WitnessRow {
  readonly _id: string;
  readonly size: number;
  readonly at: Date;
}

const checkpointSchema = collectionSchema<CheckpointRow>('log_checkpoints', {
  _id: { type: Number, required: true },
  root: { type: Buffer, required: true },
  at: { type: Date, required: true },
  note: { type: String, required: true },
  cosignatures: [
    partSchema<Cosignature>({ witness: { type: String, required: true }, line: { type: String, required: true } }),
  ],
});
checkpointSchema.index({ at: 1 });
// The newest that witnesses have signed is what proofs are made for.
checkpointSchema.index({ 'cosignatures.witness': 1, _id: -1 }, { sparse: true });

const keySchema = collectionSchema<KeyRow>('log_keys', {
  _id: { type: Number, required: true },
  since: { type: Date, required: true },
});
const witnessSchema = collectionSchema<WitnessRow>('log_witnesses', {
  _id: { type: String, required: true },
  size: { type: Number, required: true },
  at: { type: Date, required: true },
});

function checkpointFrom({ _id, root, at, note, cosignatures = [] }: CheckpointRow): StoredCheckpoint {
  return { size: _id, root, at: at.getTime(), note, cosignatures: cosignatures.map(({ line }) => line) };
}

/** Checkpoints by size, which is their identity: a size has one root for ever. */
export function createLogCheckpoints(connection: Connection, machine: Pick<Machine, 'now'>) {
  const checkpoints = connection.model<CheckpointRow>('LogCheckpoint', checkpointSchema);
  const keys = connection.model<KeyRow>('LogKey', keySchema);
  const witnesses = connection.model<WitnessRow>('LogWitness', witnessSchema);

  /** The first of the checkpoints that fit, of those that a majority has. */
  async function first(
    filter: QueryFilter<CheckpointRow>,
    sort: Readonly<Record<string, 1 | -1>> = { _id: -1 },
  ): Promise<StoredCheckpoint | undefined> {
    const row = await checkpoints.findOne(filter).sort(sort).readConcern('majority').lean();
    return row ? checkpointFrom(row) : undefined;
  }

  return {
    models: [checkpoints, keys, witnesses] as const,

    /** Publishes a checkpoint; undefined, or the one that was published of this size before. */
    async publish({
      size,
      root,
      at,
      note,
    }: Omit<StoredCheckpoint, 'cosignatures'>): Promise<StoredCheckpoint | undefined> {
      try {
        await checkpoints.insertOne({ _id: size, root, at: new Date(at), note }, { writeConcern: DURABLE });
        return undefined;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      return first({ _id: size });
    },

    /** Signs an unchanged tree again, after the key changed. */
    async resign(size: number, root: Hash, note: string): Promise<void> {
      await checkpoints.updateOne({ _id: size, root }, { $set: { note } }, { writeConcern: DURABLE });
    },

    async latest(): Promise<StoredCheckpoint | undefined> {
      return first({});
    },

    async ofSize(size: number): Promise<StoredCheckpoint | undefined> {
      return first({ _id: size });
    },

    /** The newest checkpoint of more than `index` leaves that a witness signed; else the newest at all. */
    async covering(index: number): Promise<StoredCheckpoint | undefined> {
      const witnessed = await first({ _id: { $gt: index }, 'cosignatures.witness': { $gt: '' } });
      return witnessed ?? first({ _id: { $gt: index } });
    },

    /** The last checkpoint signed before a time (ms). */
    async before(at: number): Promise<StoredCheckpoint | undefined> {
      return first({ at: { $lt: new Date(at) } }, { at: -1, _id: -1 });
    },

    /** The first checkpoint signed at or after a time (ms). */
    async since(at: number): Promise<StoredCheckpoint | undefined> {
      return first({ at: { $gte: new Date(at) } }, { at: 1, _id: 1 });
    },

    /** Checkpoints of more than `after` leaves, smallest first. */
    async following(after: number, limit: number): Promise<StoredCheckpoint[]> {
      const later = checkpoints.find({ _id: { $gt: after } }).readConcern('majority');
      return (await later.sort({ _id: 1 }).limit(limit).lean()).map(checkpointFrom);
    },

    /** Keeps a witness's signature line on the checkpoint of this size; one a witness, the first. */
    async cosign(size: number, witness: string, line: string): Promise<void> {
      await checkpoints.updateOne(
        { _id: size, 'cosignatures.witness': { $ne: witness } },
        { $push: { cosignatures: { witness, line } } },
        { writeConcern: DURABLE },
      );
    },

    ...logSigners(keys, witnesses, machine),
  };
}

export type LogCheckpoints = ReturnType<typeof createLogCheckpoints>;

/** Who signs: our keys and the witnesses. */
function logSigners(keys: Model<KeyRow>, witnesses: Model<WitnessRow>, machine: Pick<Machine, 'now'>) {
  async function keysKnown(): Promise<Map<number, number>> {
    return new Map((await keys.find().lean()).map(({ _id, since }) => [_id, since.getTime()]));
  }

  return {
    /** Key ids that signed, with the time (ms) each was first used; notes the first use of `current`. */
    async keysUsed(current: number, now: number): Promise<Map<number, number>> {
      await keys.updateOne(
        { _id: current },
        { $setOnInsert: { since: new Date(now) } },
        { upsert: true, writeConcern: DURABLE },
      );
      return keysKnown();
    },

    keysKnown,

    /** Witnesses that have signed, with the size and time (ms) of their last. */
    async witnesses(): Promise<{ name: string; size: number; at: number }[]> {
      const rows = await witnesses.find().sort({ _id: 1 }).lean();
      return rows.map(({ _id, size, at }) => ({ name: _id, size, at: at.getTime() }));
    },

    /** The size a witness last signed, as far as we know. */
    async witnessSize(name: string): Promise<number> {
      return (await witnesses.findById(name).lean())?.size ?? 0;
    },

    async setWitnessSize(name: string, size: number): Promise<void> {
      await witnesses.updateOne({ _id: name }, { $set: { size, at: new Date(machine.now()) } }, { upsert: true });
    },
  };
}
