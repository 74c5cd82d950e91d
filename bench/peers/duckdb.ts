/**
 * DuckDB, to measure a scrub beside. It is no part of this project: `@duckdb/node-api` is taken from a folder outside that
 * HUSH_DUCKDB names (`npm install --prefix FOLDER @duckdb/node-api`).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Connection {
  run(sql: string): Promise<unknown>;
}
interface DuckDb {
  readonly DuckDBInstance: { create(path: string): Promise<{ connect(): Promise<Connection> }> };
}

let saidSo = false;
let prepared: Promise<{ connection: Connection; folder: string }> | undefined;

async function prepare(list: readonly string[], known: number, addressOf: (n: number) => string, from: string) {
  const entry = createRequire(join(from, 'package.json')).resolve('@duckdb/node-api');
  const { DuckDBInstance } = (await import(pathToFileURL(entry).href)) as DuckDb;
  const folder = await mkdtemp(join(tmpdir(), 'hush-duckdb-'));
  process.once('exit', () => void rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'list.csv'), list.join(''));
  await writeFile(
    join(folder, 'known.csv'),
    `email\n${Array.from({ length: known }, (_, n) => addressOf(n)).join('\n')}\n`,
  );
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(
    `create table known as select email, sha256(email) as hash from read_csv('${join(folder, 'known.csv')}', header=true)`,
  );
  return { connection, folder };
}

/** Rows a second of the same list, from file to file: joined with the people's addresses, and with their SHA-256. */
export async function duckdbScrub(
  list: readonly string[],
  known: number,
  addressOf: (n: number) => string,
): Promise<Record<string, number>> {
  const from = process.env.HUSH_DUCKDB;
  if (from === undefined) {
    if (!saidSo) {
      console.log(
        `DuckDB IS MISSING: npm install --prefix FOLDER @duckdb/node-api, then run again with HUSH_DUCKDB=FOLDER\n`,
      );
    }
    saidSo = true;
    return {};
  }
  prepared ??= prepare(list, known, addressOf, from);
  const { connection, folder } = await prepared;
  const results: Record<string, number> = {};
  for (const [name, key] of [
    ['DuckDB, plain join', 'lower(trim(l.email)) = k.email'],
    ['DuckDB, joined on SHA-256', 'sha256(lower(trim(l.email))) = k.hash'],
  ] as const) {
    const began = performance.now();
    await connection.run(
      `copy (select l.* from read_csv('${join(folder, 'list.csv')}', header=true) l anti join known k on ${key}) to '${join(folder, 'out.csv')}' (header)`,
    );
    results[name] = ((list.length - 1) * 1000) / ((performance.now() - began) / 1000);
  }
  return results;
}
