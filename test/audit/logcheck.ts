import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const folder = mkdtempSync(join(tmpdir(), 'hush-go-'));
const program = join(folder, 'logcheck');

/** Why the checker cannot be built, or undefined when it is. Not having Go, or its module, is no fault of the log. */
function cannotBuild(): string | undefined {
  if (spawnSync('go', ['version']).error) return 'there is no Go on PATH';
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOWORK: 'off' };
  const fetched = spawnSync('go', ['mod', 'download'], { cwd: 'test/go', env, encoding: 'utf8', timeout: 60_000 });
  if (fetched.status !== 0) return `golang.org/x/mod cannot be had: ${fetched.stderr}`;
  const built = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: 'test/go',
    env,
    encoding: 'utf8',
    timeout: 180_000,
  });
  if (built.status !== 0) throw new Error(`test/go does not build: ${built.stderr}`);
  return undefined;
}

/** Why the checker could not be built; undefined when it was. */
export const why = cannotBuild();

/** Runs the checker. */
export function run(args: readonly string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args);
    let out = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (out += chunk));
    child.on('close', (code) => resolve({ code, out }));
  });
}
