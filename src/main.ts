import { readEnvironment } from './config/environment.js';
import { ConfigError } from './config/yaml-file.js';
import { startStores } from './embedded/index.js';
import { composeWhenReached } from './late-start.js';
import { machine } from './machine.js';
import { requireFolder } from './start-up.js';
import { developmentKey, tourLines } from './tour.js';

/** Longest (ms) a shutdown may take; what is not finished then is found again from the store. */
const SHUTDOWN_LIMIT = 30_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Of an npm that was killed nobody is left who could end what it started, or the stores that this started. */
function whenOrphaned(stop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, 1000).unref();
}

async function main(): Promise<void> {
  const read = readEnvironment();
  if (!read.production) await requireFolder('HUSH_DATA_DIR', read.dataDir);
  const stores = await startStores(
    { ...(read.mongoUri ? { mongoUri: read.mongoUri } : {}), ...(read.redisUrl ? { redisUrl: read.redisUrl } : {}) },
    read.dataDir,
    say,
  );
  const apiKey = read.apiKey ?? (read.production ? undefined : await developmentKey(read.dataDir));
  const environment = { ...read, apiKey, mongoUri: stores.mongoUri, redisUrl: stores.redisUrl };
  let hush: Awaited<ReturnType<typeof composeWhenReached>>;
  let stopping = false;
  const stop = async (why: string) => {
    if (stopping) return;
    stopping = true;
    say(`${why}: finishing what is under way`);
    setTimeout(() => process.exit(1), SHUTDOWN_LIMIT).unref();
    await hush?.stop();
    await stores.stop();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));

  hush = await composeWhenReached(environment, { machine, isStopping: () => stopping }).catch(
    async (error: unknown) => {
      await stores.stop();
      throw error;
    },
  );
  if (!hush) return;

  if (process.env.npm_lifecycle_event !== undefined) whenOrphaned(() => void stop('npm is gone'));

  const { port } = await hush.start();
  const url = hush.publicUrl() || `http://localhost:${port}`;
  say(`hush ready on ${read.production ? url : `http://localhost:${port}`}`);
  const [brand] = hush.catalog.brands;
  if (!read.production && apiKey !== undefined && brand && read.role !== 'worker') {
    for (const line of tourLines({ environment, url, key: apiKey, links: hush.links, brand: brand.id })) say(line);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(
    error instanceof ConfigError
      ? `${error.message}\n`
      : `Hush could not start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
});
