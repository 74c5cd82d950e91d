import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { PATIENT_MS } from './hush.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** A module of the program (path under `src` without its ending) as it was built for this run, to be started with Node. */
export function program(module: string): string {
  return path.join(ROOT, '.test-build', `${module}.js`);
}

export interface HushProcess {
  readonly url: string;
  readonly pid: number;
  readonly output: () => string;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** `npm start` without the build: the program itself in a process of its own. Resolves when it says that it is ready. */
export async function startProcess(env: NodeJS.ProcessEnv): Promise<HushProcess> {
  const child: ChildProcess = spawn(process.execPath, [program('main')], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      LOG_LEVEL: 'warn',
      HUSH_STORE_TIMEOUT_MS: String(PATIENT_MS),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const ready = /hush ready on (http:\/\/\S+)/.exec(output)?.[1];
      if (ready) resolve(ready);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    void gone.then((code) => reject(new Error(`ended with ${code} before it was ready:\n${output}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    output: () => output,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    async stop() {
      child.kill('SIGTERM');
      return gone;
    },
  };
}
