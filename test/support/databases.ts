import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';

/**
 * Databases that installations of this process have left, empty. Making the 45 collections of one with their 125 files and dropping
 * them again costs MongoDB a second of processor; emptying them, some milliseconds.
 */
const free: string[] = [];
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

/** The name of an empty database, and of a namespace of Redis without keys, for whoever leaves it at the end. */
export function useFreeDatabase(): string {
  const name = free.pop() ?? `t${randomBytes(6).toString('hex')}`;
  useDatabase(name);
  return name;
}

/** Says that one more works on the database from now on. */
export function useDatabase(name: string): void {
  users.set(name, (users.get(name) ?? 0) + 1);
}

/** Says that one of its users has left the database. The last one leaves it empty, or, to `keep` it, as it is. */
export async function leaveDatabase(name: string, keep = false): Promise<void> {
  const others = (users.get(name) ?? 1) - 1;
  users.set(name, others);
  if (keep || others > 0) return;
  users.delete(name);
  await Promise.all([emptyDatabase(name), emptyNamespace(name)]);
  free.push(name);
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
