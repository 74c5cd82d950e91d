import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';

/**
 * Databases that installations of this process have left, empty. Making the 45 collections of one with their 125 files and dropping
 * them again costs MongoDB 0.3 s of processor; emptying them, 0.06.
 */
const free = new Set<string>();
const users = new Map<string, number>();
/** Documents above which dropping is cheaper than deleting. */
const MANY = 3000;

let mongo: MongoClient | undefined;
let redis: Redis | undefined;

/** The URI of a database of this name in the MongoDB of the run. */
export function databaseUri(name: string): string {
  const uri = new URL((process.env.MONGODB_URI ?? '').replace(/^mongodb:/, 'http:'));
  uri.pathname = `/${name}`;
  return uri.href.replace(/^http:/, 'mongodb:');
}

/** A database, and a namespace of Redis of the same name, until whoever works on it leaves. */
interface Database {
  readonly name: string;
  /** The last of its users leaves it empty, or, to `keep` it, as it is. Whoever has left can leave no second time. */
  leave(keep?: boolean): Promise<void>;
}

/** One more works on the database of this name, or on an empty one. */
export function useDatabase(wanted?: string): Database {
  const [next] = free;
  const name = wanted ?? next ?? `t${randomBytes(6).toString('hex')}`;
  free.delete(name);
  users.set(name, (users.get(name) ?? 0) + 1);
  let hasLeft = false;
  return {
    name,
    async leave(keep = false) {
      if (hasLeft) return;
      hasLeft = true;
      const others = (users.get(name) ?? 1) - 1;
      users.set(name, others);
      if (keep || others > 0) return;
      await Promise.all([emptyDatabase(name), emptyNamespace(name)]);
      free.add(name);
    },
  };
}

async function emptyDatabase(name: string): Promise<void> {
  mongo ??= new MongoClient(databaseUri('admin'), { maxPoolSize: 4, writeConcern: { w: 1, journal: false } });
  const db = mongo.db(name);
  const { objects } = await db.stats();
  if (objects > MANY) {
    await db.dropDatabase();
    return;
  }
  const collections = await db.listCollections({}, { nameOnly: true }).toArray();
  await Promise.all(collections.map((collection) => db.collection(collection.name).deleteMany({})));
}

async function emptyNamespace(name: string): Promise<void> {
  // Redis ends before the process does, and nobody is to try to reach it then.
  redis ??= new Redis(process.env.REDIS_URL ?? '', { retryStrategy: () => null });
  const keys = await redis.keys(`{${name}}:*`);
  if (keys.length > 0) await redis.unlink(keys);
}
