import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where litewitness is, or why it cannot be tried. */
export function findLitewitness(): { readonly program: string } | { readonly why: string } {
  const program = process.env.HUSH_LITEWITNESS;
  if (!program) return { why: 'HUSH_LITEWITNESS does not name a litewitness (see docs/proof.md)' };
  for (const [tool, ...args] of [
    [program, '-h'],
    ['ssh-keygen', '-?'],
    ['ssh-agent', '-?'],
    ['python3', '--version'],
  ]) {
    if (tool && spawnSync(tool, args).error) return { why: `${tool} is not there` };
  }
  return { program };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** litewitness takes the keys of logs from its SQLite file: witnessctl would write these rows. */
const ADD_LOG = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=')", (sys.argv[2],))
for key in sys.argv[3:]: db.execute("INSERT INTO key (origin, key) VALUES (?, ?)", (sys.argv[2], key))
db.commit()
`;

/** Starts a witness with a fresh key that knows one log. */
export async function startLitewitness(program: string, origin: string, vkeys: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'hush-witness-'));
  const path = (name: string) => join(folder, name);
  const run = (tool: string, args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(tool, args, {
      encoding: 'utf8',
      env: { ...process.env, SSH_AUTH_SOCK: path('agent') },
    });
    if (status !== 0) throw new Error(`${tool}: ${stderr}`);
    return stdout;
  };
  const children: ChildProcess[] = [];
  const agent = spawn('ssh-agent', ['-D', '-a', path('agent')], { stdio: 'ignore' });
  children.push(agent);
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path('key')]);
  const fingerprint = /SHA256:\S+/.exec(run('ssh-keygen', ['-l', '-E', 'sha256', '-f', path('key.pub')]))?.[0] ?? '';
  await retry(() => run('ssh-add', ['-q', path('key')]));

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const witness = spawn(
    program,
    [
      '-name',
      'witness.example/w1',
      '-db',
      path('db'),
      '-ssh-agent',
      path('agent'),
      '-listen',
      `127.0.0.1:${port}`,
      '-key',
      fingerprint,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(witness);
  let log = '';
  witness.stderr.on('data', (chunk) => (log += chunk));
  const vkey = await retry(() => {
    const found = /vkey=(\S+)/.exec(log)?.[1];
    if (!found || !log.includes('listening')) throw new Error(`litewitness does not start: ${log}`);
    return found;
  });
  run('python3', ['-c', ADD_LOG, path('db'), origin, ...vkeys]);
  return {
    url,
    vkey,
    log: () => log,
    async stop() {
      for (const child of children) child.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function retry<T>(action: () => T): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return action();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
