/**
 * listmonk on PostgreSQL, to measure Hush beside. Its binary is named by HUSH_LISTMONK, and PostgreSQL is found on the
 * machine. Both keep their data in a folder of the bench and end with it.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Program, startProgram } from '../program.js';

const run = promisify(execFile);

export interface Listmonk extends Program {
  /** Paths of the page on which a subscriber manages what they get. */
  readonly pages: readonly string[];
}

const HOW = `To have listmonk measured beside Hush:
  1. Build it, outside this project, with Go: git clone https://github.com/knadh/listmonk && cd listmonk
     mkdir -p frontend/dist && echo '<html></html>' > frontend/dist/index.html
     CGO_ENABLED=0 go build -o listmonk ./cmd && go build -o stuffbin github.com/knadh/stuffbin/stuffbin
     ./stuffbin -a stuff -in listmonk -out listmonk config.toml.sample schema.sql queries:/queries permissions.json \\
       static/public:/public static/email-templates frontend/dist:/admin i18n:/i18n
     or take a binary from https://github.com/knadh/listmonk/releases
  2. Install PostgreSQL (Debian: apt-get install postgresql).
  3. Run the bench with HUSH_LISTMONK=/path/to/listmonk.`;

/** The folder with \`initdb\` and \`postgres\`: Debian does not put them on PATH. */
async function postgresFolder(): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql';
  const versions = await readdir(debian).catch((): string[] => []);
  const folders = [
    ...versions.map((version) => path.join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
  ];
  for (const folder of folders) {
    const names = await readdir(folder).catch((): string[] => []);
    if (names.includes('initdb') && names.includes('postgres')) return folder;
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

/** PostgreSQL refuses to run as root: there it runs as the user that its package made. */
async function asPostgresUser(folder: string, command: string, args: readonly string[]): Promise<[string, string[]]> {
  if (process.getuid?.() !== 0) return [command, [...args]];
  await run('chown', ['-R', 'postgres', folder]);
  return ['setpriv', ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', command, ...args]];
}

/** A new PostgreSQL with its defaults, in a folder. */
async function startPostgres(bin: string, folder: string, port: number): Promise<Program> {
  await mkdir(folder, { recursive: true });
  await chmod(path.dirname(folder), 0o755);
  const [init, initArgs] = await asPostgresUser(folder, path.join(bin, 'initdb'), [
    ...['-D', path.join(folder, 'data'), '-U', 'listmonk', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8'],
  ]);
  await run(init, initArgs);
  const [serve, serveArgs] = await asPostgresUser(folder, path.join(bin, 'postgres'), [
    ...['-D', path.join(folder, 'data'), '-p', String(port), '-k', folder, '-h', '127.0.0.1'],
  ]);
  return startProgram(serve, serveArgs, {
    env: { LC_ALL: 'C' },
    ready: /(database system is ready to accept connections)/,
  });
}

/** Subscribers of two public lists, and a campaign to both. */
function testData(subscribers: number): string {
  return `
    INSERT INTO lists (uuid, name, type, optin)
      SELECT gen_random_uuid(), name, 'public', 'single' FROM unnest(ARRAY['Offers', 'Tips']) AS name;
    INSERT INTO subscribers (uuid, email, name)
      SELECT gen_random_uuid(), 'p' || n || '@example.com', 'Person ' || n FROM generate_series(1, ${subscribers}) AS n;
    INSERT INTO subscriber_lists (subscriber_id, list_id, status)
      SELECT s.id, l.id, 'confirmed' FROM subscribers s, lists l WHERE l.name IN ('Offers', 'Tips');
    INSERT INTO campaigns (uuid, name, subject, from_email, body, messenger)
      VALUES (gen_random_uuid(), 'Bench', 'Bench', 'bench@example.com', 'Hello', 'email');
    ANALYZE;`;
}

/**
 * Starts listmonk with its own defaults and the given number of subscribers. Says loudly what is missing, and how to get
 * it, where it cannot be started.
 */
export async function startListmonk(folder: string, subscribers: number): Promise<Listmonk | undefined> {
  const binary = process.env.HUSH_LISTMONK;
  const bin = await postgresFolder();
  if (!binary || bin === undefined) {
    const missing = [...(binary ? [] : ['HUSH_LISTMONK is not set']), ...(bin ? [] : ['PostgreSQL is not installed'])];
    console.error(`\n!!! listmonk IS NOT MEASURED: ${missing.join(' and ')}.\n${HOW}\n`);
    return undefined;
  }
  const [dbPort, port] = [await freePort(), await freePort()];
  const postgres = await startPostgres(bin, path.join(folder, 'postgres'), dbPort);
  const sql = async (text: string, database = 'listmonk') => {
    const args = ['-h', '127.0.0.1', '-p', String(dbPort), '-U', 'listmonk', '-d', database, '-Atqc', text];
    return (await run(path.join(bin, 'psql'), args)).stdout.trim().split('\n');
  };
  try {
    await sql('CREATE DATABASE listmonk', 'postgres');
    const config = path.join(folder, 'listmonk.toml');
    await writeFile(
      config,
      `[app]\naddress = "127.0.0.1:${port}"\n[db]\nhost = "127.0.0.1"\nport = ${dbPort}\nuser = "listmonk"\npassword = ""\n` +
        'database = "listmonk"\nssl_mode = "disable"\nmax_open = 25\nmax_idle = 25\nmax_lifetime = "300s"\n',
    );
    await run(binary, ['--config', config, '--install', '--idempotent', '--yes']);
    await sql(testData(subscribers));
    const [campaign = ''] = await sql("SELECT uuid FROM campaigns WHERE name = 'Bench'");
    const people = await sql("SELECT uuid FROM subscribers WHERE email LIKE 'p%@example.com'");
    const server = await startProgram(binary, ['--config', config], {
      cwd: folder,
      env: {},
      ready: /(http server started)/,
    });
    return {
      ...server,
      url: `http://127.0.0.1:${port}`,
      pages: people.map((person) => `/subscription/${campaign}/${person}?manage=true`),
      async stop() {
        await server.stop();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
