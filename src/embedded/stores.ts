import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { startMongo } from './mongo.js';
import { startRedis } from './redis.js';
import type { EmbeddedStore } from './serve.js';

/** Where MongoDB and Redis are. */
export interface StoreUrls {
  readonly mongoUri: string;
  readonly redisUrl: string;
}

const noted = z.object({ mongoUri: z.string(), redisUrl: z.string(), pid: z.number() });
const noteOf = (dataDir: string) => join(dataDir, 'stores.json');

/** The stores that `npm start` of the same data directory runs right now, for the command line beside it. */
export async function runningStores(dataDir: string): Promise<StoreUrls | undefined> {
  try {
    const found = noted.parse(JSON.parse(await readFile(noteOf(dataDir), 'utf8')));
    process.kill(found.pid, 0);
    return found;
  } catch {
    return undefined;
  }
}

/** Starts whichever of the two has no URL, with its data under `dataDir`. */
export async function startStores(
  configured: Partial<StoreUrls>,
  dataDir: string,
  say: (line: string) => void,
): Promise<StoreUrls & { stop(): Promise<void> }> {
  await mkdir(dataDir, { recursive: true });
  const started: EmbeddedStore[] = [];
  const keep = async (starting: Promise<EmbeddedStore>) => {
    const store = await starting;
    started.push(store);
    return store.url;
  };
  const stop = async () => {
    await rm(noteOf(dataDir), { force: true });
    await Promise.all(started.map((store) => store.stop()));
  };
  const [mongo, redis] = await Promise.allSettled([
    configured.mongoUri ?? keep(startMongo({ dataDir, say })),
    configured.redisUrl ?? keep(startRedis({ dataDir, say })),
  ]);
  if (mongo.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw mongo.status === 'rejected' ? mongo.reason : redis.status === 'rejected' ? redis.reason : undefined;
  }
  const urls = { mongoUri: mongo.value, redisUrl: redis.value };
  if (started.length > 0)
    await writeFile(noteOf(dataDir), JSON.stringify({ ...urls, pid: process.pid }), { mode: 0o600 });
  return { ...urls, stop };
}
