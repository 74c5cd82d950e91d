import type { Collection, Connection, Model } from 'mongoose';
import type { FullTile } from '../core/edge.js';
import { contactPrefixOf, type EventId } from '../core/keys.js';
import { EMPTY_ROOT, type Hash, leafHash } from '../core/merkle.js';
import { hashesAtLevel, TILE_WIDTH, type Tile } from '../core/tile.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

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

interface EntryRow extends Omit<LogRow, 'index'> {
  /** Its index. */
  readonly _id: number;
}
interface TileRow {
  /** `level/index` */
  readonly _id: string;
  readonly hashes: Buffer;
  readonly root: Hash;
}
interface TreeRow {
  readonly _id: typeof TREE;
  readonly size: number;
  readonly root: Hash;
}

const TREE = 'tree';

const entrySchema = collectionSchema<EntryRow>('log_entries', {
  _id: { type: Number, required: true },
  entry: { type: Buffer, required: true },
  event: { type: String, required: true },
  contact: { type: Buffer, required: true },
  salt: Buffer,
  emptiedBy: Number,
  empties: Number,
});
// An event has one leaf, and an entry is emptied once, whichever of two sealers comes first.
entrySchema.index({ contact: 1, event: 1, empties: 1 }, { unique: true });

const tileSchema = collectionSchema<TileRow>('log_tiles', {
  _id: { type: String, required: true },
  hashes: { type: Buffer, required: true },
  root: { type: Buffer, required: true },
});
const treeSchema = collectionSchema<TreeRow>('log_tree', {
  _id: { type: String, required: true, enum: [TREE] },
  size: { type: Number, required: true },
  root: { type: Buffer, required: true },
});

/** Only what a majority has may be signed: anything else may still be rolled back. */
const COMMITTED = 'majority';

function logRow({ _id, ...row }: EntryRow): LogRow {
  return { index: _id, ...row };
}

/**
 * The leaves of the log, its full tiles and its size. Leaves and tiles are never changed (but for the salt, which the tree
 * does not hold); full tiles and their roots are kept, partial ones are made from what is below them, so that a stale
 * writer can shorten nothing.
 */
export function createLogStore(connection: Connection) {
  const entries = connection.model<EntryRow>('LogEntry', entrySchema);
  const tiles = connection.model<TileRow>('LogTile', tileSchema);
  const tree = connection.model<TreeRow>('LogTree', treeSchema);
  const raw = connection.collection<EntryRow>('log_entries');
  return {
    models: [entries, tiles, tree] as const,
    ...logSize(tree),
    ...logLeaves({ entries, tiles }, raw),
    ...logTiles({ entries, tiles }),
  };
}

export type LogStore = ReturnType<typeof createLogStore>;

interface LogModels {
  readonly entries: Model<EntryRow>;
  readonly tiles: Model<TileRow>;
}

async function leavesBetween({ entries }: Pick<LogModels, 'entries'>, from: number, to: number): Promise<LogRow[]> {
  const rows = entries.find({ _id: { $gte: from, $lt: to } }).readConcern(COMMITTED);
  return (await rows.sort({ _id: 1 }).lean()).map(logRow);
}

async function fullTiles({ tiles }: Pick<LogModels, 'tiles'>, names: readonly string[]): Promise<Map<string, TileRow>> {
  if (names.length === 0) return new Map();
  const rows = await tiles
    .find({ _id: { $in: names } })
    .readConcern(COMMITTED)
    .lean();
  return new Map(rows.map((row) => [row._id, row]));
}

/** The hashes of a partial tile: of leaves, or the roots of the full tiles below. */
async function partialHashes(models: LogModels, { level, index, width }: Tile): Promise<Hash[]> {
  const first = index * TILE_WIDTH;
  if (level === 0) return (await leavesBetween(models, first, first + width)).map(({ entry }) => leafHash(entry));
  const names = Array.from({ length: width }, (_, at) => `${level - 1}/${first + at}`);
  const found = await fullTiles(models, names);
  return names.flatMap((name) => {
    const row = found.get(name);
    return row ? [row.root] : [];
  });
}

function logSize(tree: Model<TreeRow>) {
  return {
    /** Size and root that the log has reached. A log nobody has begun is empty. */
    async reached(): Promise<{ size: number; root: Hash }> {
      const row = await tree.findById(TREE).readConcern(COMMITTED).lean();
      return row ? { size: row.size, root: row.root } : { size: 0, root: EMPTY_ROOT };
    },

    /** Moves the size on, if it still is `from`. The root of a size is written once, with the size. */
    async advance(from: number, to: number, root: Hash): Promise<boolean> {
      const next = { $set: { size: to, root } };
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
  };
}

/** `rawEntries`: docs/decisions/raw-commands.md. */
function logLeaves(models: LogModels, rawEntries: Collection<EntryRow>) {
  const { entries } = models;
  return {
    /** Leaves `from` to `to` (exclusive), in order, that a majority has. */
    range: (from: number, to: number): Promise<LogRow[]> => leavesBetween(models, from, to),

    /**
     * Adds leaves, one after the other, so that a leaf is there only if the one before it is. False when one of them met
     * a leaf at its index, or another leaf of its event: those before it are added, and the tail is to be read again.
     */
    async append(rows: readonly LogRow[]): Promise<boolean> {
      if (rows.length === 0) return true;
      try {
        await rawEntries.insertMany(
          rows.map(({ index, entry, event, contact, salt, empties }) => ({
            _id: index,
            entry,
            event,
            contact,
            ...(salt ? { salt } : {}),
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
        contact: { $in: pairs.map(({ contact }) => contact) },
        event: { $in: pairs.map(({ event }) => event) },
        empties: { $exists: false },
      };
      const options = { readConcern: { level: COMMITTED }, projection: { contact: 1, event: 1 } } as const;
      const rows = await rawEntries.find(filter, options).toArray();
      return new Set(rows.map(({ contact, event }) => `${contact.toString('hex')}/${event}`));
    },

    /** The leaf of an event. */
    async find(id: EventId): Promise<LogRow | undefined> {
      const prefix = contactPrefixOf(id);
      const from = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 0)]);
      const to = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 255)]);
      const filter = { contact: { $gte: from, $lte: to }, event: id, empties: { $exists: false } };
      const row = await entries.findOne(filter).readConcern(COMMITTED).lean();
      return row ? logRow(row) : undefined;
    },

    /** Every leaf of a contact, oldest first, those of its erasures too. */
    async ofContact(contact: Buffer): Promise<LogRow[]> {
      const rows = entries.find({ contact }).readConcern(COMMITTED);
      return (await rows.sort({ _id: 1 }).lean()).map(logRow);
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
    count: async () => entries.estimatedDocumentCount(),
  };
}

function logTiles(models: LogModels) {
  return {
    /** Keeps tiles that became full. Whoever keeps one again keeps the same. */
    async keepTiles(full: readonly FullTile[]): Promise<void> {
      if (full.length === 0) return;
      try {
        await models.tiles.insertMany(
          full.map(({ level, index, hashes, root }) => ({
            _id: `${level}/${index}`,
            hashes,
            root,
          })),
          { ordered: false, throwOnValidationError: true, writeConcern: DURABLE },
        );
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
    },

    /** Bytes of tiles, in order; shorter than the width asked for, or empty, where the log lacks them. */
    async readTiles(wanted: readonly Tile[]): Promise<Buffer[]> {
      const nameOf = ({ level, index }: Tile) => `${level}/${index}`;
      const full = await fullTiles(models, wanted.filter(({ width }) => width === TILE_WIDTH).map(nameOf));
      return Promise.all(
        wanted.map(async (tile) => {
          const row = tile.width === TILE_WIDTH ? full.get(nameOf(tile)) : undefined;
          if (row) return row.hashes;
          return tile.width === TILE_WIDTH ? Buffer.alloc(0) : Buffer.concat(await partialHashes(models, tile));
        }),
      );
    },

    /** The partial tiles of a tree of `size` leaves, lowest level first: what `createEdge` goes on from. */
    async edgeLevels(size: number): Promise<Hash[][]> {
      const levels: Promise<Hash[]>[] = [];
      for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
        const width = hashesAtLevel(size, level) % TILE_WIDTH;
        const index = Math.floor(hashesAtLevel(size, level) / TILE_WIDTH);
        levels.push(width === 0 ? Promise.resolve([]) : partialHashes(models, { level, index, width }));
      }
      return Promise.all(levels);
    },
  };
}
