import { type Connection, Schema } from 'mongoose';
import type { Hash } from '../core/merkle.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

type Bytes = ReturnType<typeof binary>;

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

interface CheckpointRow {
  _id: number;
  root: Bytes;
  at: Date;
  note: string;
  cosignatures?: { witness: string; line: string }[];
}
interface KeyRow {
  _id: number;
  since: Date;
}
interface WitnessRow {
  _id: string;
  size: number;
  at: Date;
}

const checkpointSchema = new Schema(
  { _id: Number, root: Buffer, at: Date, note: String, cosignatures: [Schema.Types.Mixed] },
  { collection: 'log_checkpoints', versionKey: false },
);
checkpointSchema.index({ at: 1 });
// The newest that witnesses have signed is what proofs are made for.
checkpointSchema.index({ 'cosignatures.witness': 1, _id: -1 }, { sparse: true });

const keySchema = new Schema({ _id: Number, since: Date }, { collection: 'log_keys', versionKey: false });
const witnessSchema = new Schema(
  { _id: String, size: Number, at: Date },
  { collection: 'log_witnesses', versionKey: false },
);

const COMMITTED = { readConcern: { level: 'majority' }, promoteBuffers: true } as const;

function checkpointFrom(row: CheckpointRow | null): StoredCheckpoint | undefined {
  return row
    ? {
        size: row._id,
        root: bytesOf(row.root),
        at: row.at.getTime(),
        note: row.note,
        cosignatures: (row.cosignatures ?? []).map(({ line }) => line),
      }
    : undefined;
}

/** Checkpoints by size, which is their identity: a size has one root for ever. */
export function createLogCheckpoints(connection: Connection) {
  const models = [
    connection.model('LogCheckpoint', checkpointSchema),
    connection.model('LogKey', keySchema),
    connection.model('LogWitness', witnessSchema),
  ] as const;
  const checkpoints = connection.collection<CheckpointRow>('log_checkpoints');
  const keys = connection.collection<KeyRow>('log_keys');
  const witnesses = connection.collection<WitnessRow>('log_witnesses');

  return {
    models,

    /** Publishes a checkpoint; undefined, or the one that was published of this size before. */
    async publish({
      size,
      root,
      at,
      note,
    }: Omit<StoredCheckpoint, 'cosignatures'>): Promise<StoredCheckpoint | undefined> {
      try {
        await checkpoints.insertOne(
          { _id: size, root: binary(root), at: new Date(at), note },
          { writeConcern: DURABLE },
        );
        return undefined;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      return checkpointFrom(await checkpoints.findOne({ _id: size }, COMMITTED));
    },

    /** Signs an unchanged tree again, after the key changed. */
    async resign(size: number, root: Hash, note: string): Promise<void> {
      await checkpoints.updateOne({ _id: size, root: binary(root) }, { $set: { note } }, { writeConcern: DURABLE });
    },

    async latest(): Promise<StoredCheckpoint | undefined> {
      return checkpointFrom(await checkpoints.findOne({}, { ...COMMITTED, sort: { _id: -1 } }));
    },

    async ofSize(size: number): Promise<StoredCheckpoint | undefined> {
      return checkpointFrom(await checkpoints.findOne({ _id: size }, COMMITTED));
    },

    /** The newest checkpoint of more than `index` leaves that a witness signed; else the newest at all. */
    async covering(index: number): Promise<StoredCheckpoint | undefined> {
      const options = { ...COMMITTED, sort: { _id: -1 } } as const;
      const witnessed = await checkpoints.findOne(
        { _id: { $gt: index }, 'cosignatures.witness': { $gt: '' } },
        options,
      );
      return checkpointFrom(witnessed ?? (await checkpoints.findOne({ _id: { $gt: index } }, options)));
    },

    /** The last checkpoint signed before a time (ms). */
    async before(at: number): Promise<StoredCheckpoint | undefined> {
      return checkpointFrom(
        await checkpoints.findOne({ at: { $lt: new Date(at) } }, { ...COMMITTED, sort: { at: -1, _id: -1 } }),
      );
    },

    /** The first checkpoint signed at or after a time (ms). */
    async since(at: number): Promise<StoredCheckpoint | undefined> {
      return checkpointFrom(
        await checkpoints.findOne({ at: { $gte: new Date(at) } }, { ...COMMITTED, sort: { at: 1, _id: 1 } }),
      );
    },

    /** Checkpoints of more than `after` leaves, smallest first. */
    async following(after: number, limit: number): Promise<StoredCheckpoint[]> {
      const rows = await checkpoints.find({ _id: { $gt: after } }, { ...COMMITTED, sort: { _id: 1 }, limit }).toArray();
      return rows.flatMap((row) => checkpointFrom(row) ?? []);
    },

    /** Keeps a witness's signature line on the checkpoint of this size; one a witness, the first. */
    async cosign(size: number, witness: string, line: string): Promise<void> {
      await checkpoints.updateOne(
        { _id: size, 'cosignatures.witness': { $ne: witness } },
        { $push: { cosignatures: { witness, line } } },
        { writeConcern: DURABLE },
      );
    },

    /** Key ids that signed, with the time (ms) each was first used; notes the first use of `current`. */
    async keysUsed(current: number, now: number): Promise<Map<number, number>> {
      await keys.updateOne(
        { _id: current },
        { $setOnInsert: { since: new Date(now) } },
        { upsert: true, writeConcern: DURABLE },
      );
      return this.keysKnown();
    },

    async keysKnown(): Promise<Map<number, number>> {
      return new Map((await keys.find().toArray()).map(({ _id, since }) => [_id, since.getTime()]));
    },

    /** Witnesses that have signed, with the size and time (ms) of their last. */
    async witnesses(): Promise<{ name: string; size: number; at: number }[]> {
      const rows = await witnesses.find({}, { sort: { _id: 1 } }).toArray();
      return rows.map(({ _id, size, at }) => ({ name: _id, size, at: at.getTime() }));
    },

    /** The size a witness last signed, as far as we know. */
    async witnessSize(name: string): Promise<number> {
      return (await witnesses.findOne({ _id: name }))?.size ?? 0;
    },

    async setWitnessSize(name: string, size: number): Promise<void> {
      await witnesses.updateOne({ _id: name }, { $set: { size, at: new Date() } }, { upsert: true });
    },
  };
}

export type LogCheckpoints = ReturnType<typeof createLogCheckpoints>;
