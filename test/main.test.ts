import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { databaseUri } from './support/hush.js';
import { program } from './support/process.js';
import { until } from './support/until.js';

const root = path.resolve(import.meta.dirname, '..');
test('a program whose npm was killed with -9 ends by itself', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'hush-orphan-'));
  const namespace = `orphan${randomBytes(5).toString('hex')}`;
  // A shell in the place of npm.
  const npm = spawn('sh', ['-c', `"${process.execPath}" "${program('main')}" & echo "pid $!"; wait`], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      LOG_LEVEL: 'warn',
      MONGODB_URI: databaseUri(namespace),
      REDIS_URL: process.env.REDIS_URL,
      HUSH_NAMESPACE: namespace,
      HUSH_DATA_DIR: dir,
      HUSH_SECRET: 'a secret for tests that is long enough',
      npm_lifecycle_event: 'start',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  npm.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(() => /hush ready on/.test(said));
  const pid = Number(/pid (\d+)/.exec(said)?.[1]);
  const runs = () => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  expect(runs()).toBe(true);
  npm.kill('SIGKILL');
  await until(() => !runs());
  expect(said).toContain('npm is gone');
  await rm(dir, { recursive: true, force: true });
});
