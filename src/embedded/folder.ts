/** The folder of one embedded server: which version made its data, which port it had, which process is using it. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { ServerVersion } from './find.js';

export interface Folder {
  readonly path: string;
  /** Where the server keeps its data. */
  readonly data: string;
  /** What the server says; begun anew at each start. */
  readonly log: string;
  /** Undefined while the folder holds no data yet. */
  madeBy(): Promise<ServerVersion | undefined>;
  remember(made: ServerVersion, port: number): Promise<void>;
  /** A free port of 127.0.0.1, by preference the one of last time. */
  freePort(): Promise<number>;
  /** Notes the process that is about to use the folder; rejects while another one does. */
  claim(pid: number): Promise<void>;
  release(): Promise<void>;
}

const Made = z.object({ product: z.string(), version: z.string(), port: z.number() });
const Claim = z.object({ pid: z.number(), born: z.string(), parent: z.number() });
type Claim = z.infer<typeof Claim>;

/** A parent that was told to stop gets this long to let go of the folder, as when `tsx watch` restarts it. */
const PATIENCE_MS = 10_000;
/** An orphan that ignores SIGTERM this long is killed; MongoDB and Redis both recover from that. */
const TERM_GRACE_MS = 5_000;

/**
 * Opens (or makes) the folder, and waits until no server of an earlier run uses it. A server whose parent is dead is
 * ended.
 *
 * @throws when a living process keeps using it.
 */
export async function openFolder(path: string): Promise<Folder> {
  const data = join(path, 'data');
  const made = join(path, 'made-by.json');
  const claimed = join(path, 'process.json');
  await mkdir(data, { recursive: true, mode: 0o700 });
  await endLeftover(path, claimed);

  return {
    path,
    data,
    log: join(path, 'server.log'),
    madeBy: () => readJson(made, Made),
    remember: (by, port) => writeFile(made, `${JSON.stringify({ product: by.product, version: by.version, port })}\n`),
    freePort: async () => {
      const last = (await readJson(made, Made))?.port ?? 0;
      return (await portIfFree(last)) ?? (await portIfFree(0)) ?? 0;
    },
    async claim(pid) {
      const own = await lookAt(pid);
      const claim: Claim = { pid, born: own?.born ?? '', parent: process.pid };
      // "wx" lets only one of two processes that start at the same moment have the folder.
      await writeFile(claimed, JSON.stringify(claim), { flag: 'wx' }).catch(() => {
        throw new Error(inUse(path, 'another process'));
      });
    },
    release: () => rm(claimed, { force: true }),
  };
}

async function endLeftover(path: string, claimed: string): Promise<void> {
  const claim = await readJson(claimed, Claim);
  const began = Date.now();
  let asked = false;
  while (claim !== undefined) {
    const left = await lookAt(claim.pid);
    // The same pid with another birth is another process: pids are used again.
    if (left === undefined || left.born !== claim.born) break;
    const waited = Date.now() - began;
    // An orphan has been given another parent by the kernel.
    const orphan = left.parent !== claim.parent;
    if (orphan && waited > TERM_GRACE_MS) signal(claim.pid, 'SIGKILL');
    else if (orphan && !asked) asked = signal(claim.pid, 'SIGTERM');
    if (waited > PATIENCE_MS) throw new Error(inUse(path, `process ${claim.parent}`));
    await sleep(30);
  }
  await rm(claimed, { force: true });
}

function inUse(path: string, by: string): string {
  return `${path} is in use by ${by}: stop that one first, or set HUSH_DATA_DIR to another directory.`;
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): true {
  try {
    process.kill(pid, name);
  } catch {
    // Gone meanwhile.
  }
  return true;
}

/** Parent and birth of a living process, from /proc or else from ps (macOS; Debian's small images have no ps). */
async function lookAt(pid: number): Promise<{ parent: number; born: string } | undefined> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // proc(5): the name, in brackets, may hold blanks; behind it come state (3), parent (4) … start time (22).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? undefined : { parent: Number(fields[1]), born: fields[19] ?? '' };
    }
    const { stdout } = await promisify(execFile)('/bin/ps', ['-o', 'ppid=,stat=,lstart=', '-p', String(pid)]);
    const [parent, state, ...born] = stdout.trim().split(/\s+/);
    return state?.startsWith('Z') ? undefined : { parent: Number(parent), born: born.join(' ') };
  } catch {
    return undefined;
  }
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Not there, or half written by a process that was killed then: as good as not there.
    return undefined;
  }
}

function portIfFree(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
