import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startMongo, startRedis } from '../../src/embedded/index.js';
import { cachedProgram, fetchProgram, type Wheel } from '../../src/embedded/wheel.js';
import { needing } from '../support/needs.js';

let folder: string;
const before = { ...process.env };
const say = () => {};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hush-find-'));
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
  // A version nobody has, so that one downloaded earlier on this machine is not found; and no download now.
  process.env.MONGOMS_VERSION = '9.99.9';
  process.env.MONGOMS_RUNTIME_DOWNLOAD = 'false';
});
afterEach(async () => {
  process.env = { ...before };
  await rm(folder, { recursive: true, force: true });
});

describe('a machine with nothing on it', () => {
  beforeEach(() => {
    process.env.PATH = '';
  });

  test('is told every way that was tried for MongoDB, and what to do', async () => {
    const error = await startMongo({ dataDir: folder, say }).catch(String);
    expect(error).toMatch(/tried MONGODB_URI: not set/);
    expect(error).toMatch(/tried mongod on PATH: not there/);
    expect(error).toMatch(/tried mongodb-memory-server's download: \S/);
    expect(error).toMatch(/tried (the|a) wheel .*by pip: \S/);
    expect(error).toMatch(/to fix it, set MONGODB_URI=mongodb:/);
    expect(error).toMatch(/apt-get install python3 python3-pip/);
  });

  test('is told every way that was tried for Redis, and what to do', async () => {
    const error = await startRedis({ dataDir: folder, say }).catch(String);
    expect(error).toMatch(/tried REDIS_URL: not set/);
    expect(error).toMatch(/tried redis-server or valkey-server on PATH: not there/);
    expect(error).toMatch(/tried (the|a) wheel .*by pip: \S/);
    expect(error).toMatch(/apt-get install redis-server/);
  });
});

test('data of another major version is refused in a sentence that says what may open it', async () => {
  const made = join(folder, 'mongodb', 'made-by.json');
  await mkdir(join(folder, 'mongodb'));
  await writeFile(made, JSON.stringify({ product: 'mongod', version: '3.6.23', port: 0 }));
  const error = await startMongo({ dataDir: folder, say }).catch(String);
  expect(error).toMatch(/was made by mongod 3\.6\.23, and only mongod 3 may open it/);
  expect(error).toMatch(/put a mongod 3 first on PATH, or set MONGODB_URI, or move/);
  expect(await readdir(join(folder, 'mongodb', 'data'))).toEqual([]);
});

const hasPip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
needing(hasPip ? undefined : 'no pip: install python3-pip').describe('the cache of programs out of wheels', () => {
  const script = '#!/bin/sh\necho v1.2.3\n';
  let wheel: Wheel;

  beforeEach(async () => {
    const source = join(folder, 'source');
    await mkdir(join(source, 'demo_server'), { recursive: true });
    await mkdir(join(source, 'demo_server-1.0.dist-info'));
    await writeFile(join(source, 'demo_server', 'run'), script);
    const info = (name: string, text: string) => writeFile(join(source, 'demo_server-1.0.dist-info', name), text);
    await info('METADATA', 'Metadata-Version: 2.1\nName: demo-server\nVersion: 1.0\n');
    await info('WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
    await info('RECORD', '');
    const file = join(folder, 'demo_server-1.0-py3-none-any.whl');
    const parts = ['demo_server', 'demo_server-1.0.dist-info'];
    expect(spawnSync('python3', ['-m', 'zipfile', '-c', file, ...parts], { cwd: source }).status).toBe(0);
    // pip looks nowhere else, so this needs no network.
    process.env.PIP_NO_INDEX = '1';
    process.env.PIP_FIND_LINKS = folder;
    wheel = {
      name: 'demo-server',
      release: '1.0',
      tags: [],
      sha256: sha256(await readFile(file)),
      program: 'demo_server/run',
      programSha256: sha256(script),
      version: '1.2.3',
    };
  });

  test('is filled once by several processes at a time, and repaired when a byte of it has changed', async () => {
    expect(await cachedProgram(wheel)).toBeUndefined();
    const [program, same] = await Promise.all([fetchProgram(wheel), fetchProgram(wheel)]);
    expect(same).toBe(program);
    expect(await cachedProgram(wheel)).toBe(program);
    expect((await stat(program)).mode & 0o777).toBe(0o755);

    await writeFile(program, `${script}#`);
    expect(await cachedProgram(wheel)).toBeUndefined();
    await fetchProgram(wheel);
    expect(await readFile(program, 'utf8')).toBe(script);
    expect(await cachedProgram(wheel)).toBe(program);
  });

  test('takes nothing whose hash is not the pinned one', async () => {
    const wrong = '0'.repeat(64);
    await expect(fetchProgram({ ...wheel, sha256: wrong })).rejects.toThrow(/not the pinned 0000/);
    await expect(fetchProgram({ ...wheel, programSha256: wrong })).rejects.toThrow(/not the pinned 0000/);
    expect(await readdir(join(folder, 'cache', 'hush'))).toEqual([]);
  });
});

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
