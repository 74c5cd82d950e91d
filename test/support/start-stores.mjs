/** One MongoDB and one Redis for the whole run: those of the environment, else embedded ones in a temporary directory. */
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { MongoClient } from 'mongodb';
import { tsImport } from 'tsx/esm/api';

const PREFIX = 'hush-test-stores-';
const stores = [];
let dataDir;

export default async function startStores() {
  await buildProgram();
  const wanted = ['MONGODB_URI', 'REDIS_URL'].filter((name) => !process.env[name]);
  if (wanted.length === 0) return;
  await removeAbandoned();
  dataDir = join(await fastFolder(), `${PREFIX}${process.pid}`);
  await mkdir(dataDir, { recursive: true });
  const { startMongo, startRedis } = await tsImport('../../src/embedded/index.ts', import.meta.url);
  const starters = { MONGODB_URI: startMongo, REDIS_URL: startRedis };
  const started = await Promise.allSettled(
    wanted.map(async (name) => {
      const store = await starters[name]({ dataDir, say: (line) => process.stderr.write(`${line}\n`) });
      stores.push(store);
      process.env[name] = store.url;
    }),
  );
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed) {
    await stopStores();
    throw failed.reason;
  }
  if (wanted.includes('MONGODB_URI')) await setForTests(process.env.MONGODB_URI);
}

/**
 * MongoDB deletes by its own clock what has expired, once a minute. Tests have clocks of their own, many of them in the past:
 * what they write would be gone at any moment. And it keeps the files of dropped databases open for five minutes: each
 * installation under test has 125 of them, so that a quick run would reach the limit of open files (20,000 are not enough)
 * and MongoDB would end in the middle of it.
 */
async function setForTests(uri) {
  const client = new MongoClient(uri);
  try {
    const admin = client.db('admin');
    await admin.command({ setParameter: 1, ttlMonitorEnabled: false });
    await admin.command({ setParameter: 1, minSnapshotHistoryWindowInSeconds: 0 });
  } finally {
    await client.close();
  }
}

export async function stopStores() {
  await Promise.all(stores.map((store) => store.stop()));
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
}

/**
 * The program in a few files of plain JavaScript, for the tests that start it as a process: reading it and its 3,000 modules
 * one by one takes 1.9 s of processor a start, this 1.0 s.
 */
async function buildProgram() {
  const root = join(import.meta.dirname, '../..');
  const outdir = join(root, '.test-build');
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: ['main', 'cli/hush', 'compose', 'config/environment'].map((name) => join(root, 'src', `${name}.ts`)),
    outbase: join(root, 'src'),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // They read files that lie beside them.
    external: [
      'fs-native-extensions',
      'pdfkit',
      'fontkit',
      '@bull-board/*',
      'swagger-ui-dist',
      'mongodb-memory-server-core',
      '@fontsource*',
    ],
    // What packages that were written for require() take for granted. Names that no module has: all share a scope.
    banner: {
      js: [
        "import { createRequire as __requireFrom } from 'node:module';",
        "import { dirname as __folderOf } from 'node:path';",
        "import { fileURLToPath as __pathOf } from 'node:url';",
        'const require = __requireFrom(import.meta.url), __filename = __pathOf(import.meta.url), __dirname = __folderOf(__filename);',
      ].join('\n'),
    },
    logLevel: 'error',
  });
}

/** Room (bytes) that a run's databases may take. */
const ROOM = 4 * 1024 ** 3;

/** Memory where it has room: each installation under test makes 80 indexes, and each is a file. */
async function fastFolder() {
  const memory = await statfs('/dev/shm').catch(() => undefined);
  return memory && memory.bavail * memory.bsize > ROOM ? '/dev/shm' : tmpdir();
}

/** Directories of runs that were killed: their process is gone, and their servers with it. */
async function removeAbandoned() {
  for (const folder of [tmpdir(), '/dev/shm']) {
    for (const name of await readdir(folder).catch(() => [])) {
      const pid = Number(name.startsWith(PREFIX) && name.slice(PREFIX.length));
      if (pid > 0 && !isAlive(pid)) await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
    }
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive too.
    return error.code === 'EPERM';
  }
}
