/** Programs that a bench starts and measures from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '..');

export interface Program {
  readonly url: string;
  /** Seconds of processor that it has used; undefined where the system does not tell. */
  processorSeconds(): Promise<number | undefined>;
  stop(): Promise<void>;
}

/** Clock ticks a second of `/proc/…/stat`: 100 on every Linux that Node runs on. */
const TICKS = 100;

async function processorSeconds(pid: number | undefined): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold spaces: user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return undefined;
  }
}

/**
 * Starts a program and waits until it prints its URL.
 *
 * @param ready matches the line that says so; its first group is the URL
 * @throws with what it printed, when it ends before that
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env: NodeJS.ProcessEnv; readonly ready: RegExp },
): Promise<Program> {
  const child: ChildProcess = spawn(command, args, {
    cwd: options.cwd ?? ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const url = await new Promise<string>((done, failed) => {
    let printed = '';
    const read = (chunk: Buffer) => {
      printed += chunk.toString();
      const [, found] = options.ready.exec(printed) ?? [];
      if (found) done(found.replace('localhost', '127.0.0.1'));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`${command} ended with ${code}: ${printed}`)));
  });
  return {
    url,
    processorSeconds: () => processorSeconds(child.pid),
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    },
  };
}
