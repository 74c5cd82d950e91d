import { type Connection, Schema } from 'mongoose';
import type { FullTile } from '../core/edge.js';
import { contactPrefixOf, type EventId } from '../core/keys.js';
import { EMPTY_ROOT, type Hash, leafHash } from '../core/merkle.js';
import { hashesAtLevel, TILE_WIDTH, type Tile } from '../core/tile.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

type Bytes = ReturnType<typeof binary>;

/** One leaf of the log with what only we know of it. */
export interface LogRow {
  /** Its place in the tree, from 0. */
  readonly index: number;
  readonly entry: Buffer;
  readonly event: string;
  readonly contact: Buffer;
  /** Of an event's leaf, until an erasure destroys it. */
  readonly salt?: Buffer;
  /** Of an emptied leaf: index of the erasure leaf that names it. */
  readonly emptiedBy?: number;
  /** Of an erasure's leaf: the first index it names. */
  readonly empties?: number;
}

interface EntryRow {
  _id: number;
  entry: Bytes;
  event: string;
  contact: Bytes;
  salt?: Bytes;
  emptiedBy?: number;
  empties?: number;
}
interface TileRow {
  _id: string;
  hashes: Bytes;
  root: Bytes;
}
interface TreeRow {
  _id: string;
  size: number;
  root: Bytes;
}

const entrySchema = new Schema(
  { _id: Number, entry: Buffer, event: String, contact: Buffer, salt: Buffer, emptiedBy: Number, empties: Number },
  { collection: 'log_entries', versionKey: false },
);
// An event has one leaf, and an entry is emptied once, whichever of two sealers comes first.
entrySchema.index({ contact: 1, event: 1, empties: 1 }, { unique: true });

const tileSchema = new Schema(
  { _id: String, hashes: Buffer, root: Buffer },
  { collection: 'log_tiles', versionKey: false },
);
const treeSchema = new Schema(
  { _id: String, size: Number, root: Buffer },
  { collection: 'log_tree', versionKey: false },
);

/** Only what a majority has may be signed: anything else may still be rolled back. */
const COMMITTED = { readConcern: { level: 'majority' }, promoteBuffers: true } as const;
const TREE = 'tree';

function logRow(row: EntryRow): LogRow {
  return {
    index: row._id,
    entry: bytesOf(row.entry),
    event: row.event,
    contact: bytesOf(row.contact),
    ...(row.salt ? { salt: bytesOf(row.salt) } : {}),
    ...(row.emptiedBy === undefined ? {} : { emptiedBy: row.emptiedBy }),
    ...(row.empties === undefined ? {} : { empties: row.empties }),
  };
}

/**
 * The leaves of the log, its full tiles and its size. Leaves and tiles are never changed (but for the salt, which the tree
 * does not hold); full tiles and their roots are kept, partial ones are made from what is below them, so that a stale
 * writer can shorten nothing.
 */
export function createLogStore(connection: Connection) {
  const models = [
    connection.model('LogEntry', entrySchema),
    connection.model('LogTile', tileSchema),
    connection.model('LogTree', treeSchema),
  ] as const;
  const entries = connection.collection<EntryRow>('log_entries');
  const tiles = connection.collection<TileRow>('log_tiles');
  const tree = connection.collection<TreeRow>('log_tree');

  async function range(from: number, to: number): Promise<LogRow[]> {
    return (await entries.find({ _id: { $gte: from, $lt: to } }, { ...COMMITTED, sort: { _id: 1 } }).toArray()).map(
      logRow,
    );
  }

  async function fullTiles(names: readonly string[]): Promise<Map<string, TileRow>> {
    if (names.length === 0) return new Map();
    const rows = await tiles.find({ _id: { $in: [...names] } }, COMMITTED).toArray();
    return new Map(rows.map((row) => [row._id, row]));
  }

  /** The hashes of a partial tile: of leaves, or the roots of the full tiles below. */
  async function partialHashes({ level, index, width }: Tile): Promise<Hash[]> {
    const first = index * TILE_WIDTH;
    if (level === 0) return (await range(first, first + width)).map(({ entry }) => leafHash(entry));
    const names = Array.from({ length: width }, (_, at) => `${level - 1}/${first + at}`);
    const found = await fullTiles(names);
    return names.flatMap((name) => {
      const row = found.get(name);
      return row ? [bytesOf(row.root)] : [];
    });
  }

  return {
    models,

    /** Size and root that the log has reached. A log nobody has begun is empty. */
    async reached(): Promise<{ size: number; root: Hash }> {
      const row = await tree.findOne({ _id: TREE }, COMMITTED);
      return row ? { size: row.size, root: bytesOf(row.root) } : { size: 0, root: EMPTY_ROOT };
    },

    /** Moves the size on, if it still is `from`. The root of a size is written once, with the size. */
    async advance(from: number, to: number, root: Hash): Promise<boolean> {
      const next = { $set: { size: to, root: binary(root) } };
      try {
        const done = await tree.updateOne({ _id: TREE, size: from }, next, {
          upsert: from === 0,
          writeConcern: DURABLE,
        });
        return done.modifiedCount + done.upsertedCount === 1;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    /** Leaves `from` to `to` (exclusive), in order, that a majority has. */
    range,

    /**
     * Adds leaves, one after the other, so that a leaf is there only if the one before it is. False when one of them met
     * a leaf at its index, or another leaf of its event: those before it are added, and the tail is to be read again.
     */
    async append(rows: readonly LogRow[]): Promise<boolean> {
      if (rows.length === 0) return true;
      try {
        await entries.insertMany(
          rows.map(({ index, entry, event, contact, salt, empties }) => ({
            _id: index,
            entry: binary(entry),
            event,
            contact: binary(contact),
            ...(salt ? { salt: binary(salt) } : {}),
            ...(empties === undefined ? {} : { empties }),
          })),
          { ordered: true, writeConcern: DURABLE },
        );
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    /** Those of these events that have a leaf already, as `contact hex/event`. */
    async known(pairs: readonly { readonly contact: Buffer; readonly event: string }[]): Promise<Set<string>> {
      if (pairs.length === 0) return new Set();
      const filter = {
        contact: { $in: pairs.map(({ contact }) => binary(contact)) },
        event: { $in: pairs.map(({ event }) => event) },
      };
      const rows = await entries
        .find({ ...filter, empties: { $exists: false } }, { ...COMMITTED, projection: { contact: 1, event: 1 } })
        .toArray();
      return new Set(rows.map((row) => `${bytesOf(row.contact).toString('hex')}/${row.event}`));
    },

    /** Keeps tiles that became full. Whoever keeps one again keeps the same. */
    async keepTiles(full: readonly FullTile[]): Promise<void> {
      if (full.length === 0) return;
      try {
        await tiles.insertMany(
          full.map(({ level, index, hashes, root }) => ({
            _id: `${level}/${index}`,
            hashes: binary(hashes),
            root: binary(root),
          })),
          { ordered: false, writeConcern: DURABLE },
        );
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
    },

    /** Bytes of tiles, in order; shorter than the width asked for, or empty, where the log lacks them. */
    async readTiles(wanted: readonly Tile[]): Promise<Buffer[]> {
      const nameOf = ({ level, index }: Tile) => `${level}/${index}`;
      const full = await fullTiles(wanted.filter(({ width }) => width === TILE_WIDTH).map(nameOf));
      return Promise.all(
        wanted.map(async (tile) => {
          const row = tile.width === TILE_WIDTH ? full.get(nameOf(tile)) : undefined;
          if (row) return bytesOf(row.hashes);
          return tile.width === TILE_WIDTH ? Buffer.alloc(0) : Buffer.concat(await partialHashes(tile));
        }),
      );
    },

    /** The partial tiles of a tree of `size` leaves, lowest level first: what `createEdge` goes on from. */
    async edgeLevels(size: number): Promise<Hash[][]> {
      const levels: Promise<Hash[]>[] = [];
      for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
        const width = hashesAtLevel(size, level) % TILE_WIDTH;
        const index = Math.floor(hashesAtLevel(size, level) / TILE_WIDTH);
        levels.push(width === 0 ? Promise.resolve([]) : partialHashes({ level, index, width }));
      }
      return Promise.all(levels);
    },

    /** The leaf of an event. */
    async find(id: EventId): Promise<LogRow | undefined> {
      const prefix = contactPrefixOf(id);
      const from = binary(Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 0)]));
      const to = binary(Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 255)]));
      const row = await entries.findOne(
        { contact: { $gte: from, $lte: to }, event: id, empties: { $exists: false } },
        COMMITTED,
      );
      return row ? logRow(row) : undefined;
    },

    /** Every leaf of a contact, oldest first, those of its erasures too. */
    async ofContact(contact: Buffer): Promise<LogRow[]> {
      return (await entries.find({ contact: binary(contact) }, { ...COMMITTED, sort: { _id: 1 } }).toArray()).map(
        logRow,
      );
    },

    /** Destroys the salts of leaves that the erasure leaf `by` names. */
    async destroySalts(indexes: readonly number[], by: number): Promise<void> {
      await entries.updateMany(
        { _id: { $in: [...indexes] } },
        { $unset: { salt: '' }, $set: { emptiedBy: by } },
        { writeConcern: DURABLE },
      );
    },

    /** About how many leaves there are. */
    count: () => entries.estimatedDocumentCount(),
  };
}

export type LogStore = ReturnType<typeof createLogStore>;
