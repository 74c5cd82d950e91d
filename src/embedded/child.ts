/** Child processes that can never outlive this one, not even after kill -9. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Becomes the server, but only after it was told "go": a parent killed before the guard is in place closes the pipe, and
 * nothing was started. Where the kernel can (Linux), it also ends the server with its parent, should guard and parent be
 * killed together.
 */
const LAUNCH = `
read -r go || exit 0
if setpriv --pdeathsig TERM true 2>/dev/null; then exec setpriv --pdeathsig TERM "$@" </dev/null; fi
exec "$@" </dev/null`;

/** Its standard input is a pipe only the parent holds: whatever ends the parent, the kernel closes it. */
const GUARD = `
trap '' HUP INT QUIT TERM
while read -r _; do :; done
kill -s TERM -- "-$1" 2>/dev/null
n=0
while kill -s 0 -- "-$1" 2>/dev/null && [ $n -lt 50 ]; do /bin/sleep 0.1; n=$((n+1)); done
kill -s KILL -- "-$1" 2>/dev/null`;

/** How a child ended: an exit code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface GuardedChild {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Settles when the child is gone; never rejects. */
  readonly ended: Promise<Ending>;
  /** SIGTERM, then SIGKILL after `graceMs` milliseconds; resolves when the child is gone. */
  stop(graceMs: number): Promise<void>;
  /** From now on the child does not keep this process running. */
  release(): void;
}

export interface SpawnOptions {
  /** A file descriptor that takes both outputs, or a pipe for each. */
  readonly output: number | 'pipe';
  /** Runs when the pid is known and before the command starts; if it throws, the command never starts. */
  readonly beforeStart?: (pid: number) => Promise<void>;
}

/**
 * Starts a command in a process group of its own, so that Ctrl-C in the terminal reaches only the parent, which may
 * still need its stores to finish what it acknowledged.
 *
 * @throws when no process can be started, or `beforeStart` throws.
 */
export async function spawnGuarded(
  command: string,
  args: readonly string[],
  { output, beforeStart }: SpawnOptions,
): Promise<GuardedChild> {
  const child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', command, ...args], {
    detached: true,
    stdio: ['pipe', output, output],
    // Said aloud because Jest gives its tests a process.env that child_process does not see.
    env: process.env,
  });
  let running = true;
  const ended = new Promise<Ending>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once(output === 'pipe' ? 'close' : 'exit', (code, signal) => resolve({ code, signal }));
  });
  // A child that ended before it read "go" breaks the pipe; `ended` tells, so the pipe's own error says nothing new.
  child.stdin?.on('error', () => {});
  const pid = child.pid;
  if (pid === undefined) {
    await ended;
    throw new Error('No process could be started with /bin/sh.');
  }
  let guard = watch();
  child.once('exit', () => {
    running = false;
    guard.kill('SIGKILL');
  });

  function watch(): ChildProcess {
    const started = spawn('/bin/sh', ['-c', GUARD, 'sh', String(pid)], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: process.env,
    });
    // Without a guard the child might stay behind, so it must not run.
    started.once('error', () => signalGroup('SIGKILL'));
    started.once('exit', () => {
      if (running) guard = watch();
    });
    started.unref();
    return started;
  }

  function signalGroup(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!running || pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Gone between the question and the signal.
    }
  }

  async function stop(graceMs: number): Promise<void> {
    child.ref();
    signalGroup('SIGTERM');
    const patience = new AbortController();
    const late = sleep(graceMs, undefined, { signal: patience.signal }).then(
      () => signalGroup('SIGKILL'),
      () => {},
    );
    await ended;
    patience.abort();
    await late;
  }

  try {
    await beforeStart?.(pid);
  } catch (error) {
    child.stdin?.destroy();
    await ended;
    throw error;
  }
  child.stdin?.end('go\n');
  return { pid, process: child, ended, stop, release: () => child.unref() };
}

/**
 * Runs a command to its end and answers what it printed on standard output.
 *
 * @throws with the last lines it printed when it fails, or when it takes longer than `timeoutMs` milliseconds.
 */
export async function run(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const child = await spawnGuarded(command, args, { output: 'pipe' });
  let printed = '';
  let complained = '';
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  child.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complained += text;
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void child.stop(0);
  }, timeoutMs);
  const { code, signal } = await child.ended;
  clearTimeout(timer);
  if (late) throw new Error(`not done within ${timeoutMs / 1000} s`);
  if (code !== 0) throw new Error(lastLines(complained || printed, 3) || `ended with ${code ?? signal ?? 'no reason'}`);
  return printed;
}

/** The last `count` lines that say something, joined into one. */
export function lastLines(text: string, count: number): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '')
    .slice(-count)
    .join('; ');
}
