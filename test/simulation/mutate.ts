import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MUTATIONS, type Mutation } from './mutations.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** What the simulation needs of the project. */
const COPIED = [
  'src',
  'config',
  'locales',
  'templates',
  'test/simulation',
  'test/support',
  'package.json',
  'tsconfig.json',
];

/** The project with a mutation, in a folder of its own. */
async function mutated({ name, changes }: Mutation): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hush-mutation-'));
  for (const item of COPIED) await cp(path.join(ROOT, item), path.join(folder, item), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const { file, find, put } of changes) {
    const text = await readFile(path.join(folder, file), 'utf8');
    if (text.split(find).length !== 2) throw new Error(`${name}: ${file} has not exactly one place to change`);
    await writeFile(
      path.join(folder, file),
      text.replace(find, () => put),
    );
  }
  return folder;
}

/** All that a simulation of so many seeds prints, until the first that fails. */
function simulate(folder: string, seeds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', path.join(folder, 'test/simulation/simulate.ts'), '--seeds', String(seeds), '--quick'],
      { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let printed = '';
    child.stdout.on('data', (piece) => {
      printed += String(piece);
    });
    child.on('error', reject);
    child.on('close', () => resolve(printed));
  });
}

/** Puts each mutation in, and counts the seeds until one breaks a promise: a table for docs/simulation.md. */
export async function findMutations(seeds: number, names: readonly string[]): Promise<boolean> {
  let areFound = true;
  process.stdout.write(
    '| mutation | what the program does then | seeds until found | how it shows |\n|---|---|--:|---|\n',
  );
  for (const mutation of MUTATIONS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const folder = await mutated(mutation);
    try {
      const printed = await simulate(folder, seeds);
      const failures = [...printed.matchAll(/^seed (\d+): (.*)$/gm)].map(([, seed, how]) => ({
        seed: Number(seed),
        how,
      }));
      const first = failures.sort((a, b) => a.seed - b.seed)[0];
      areFound &&= first !== undefined;
      const how = (first?.how ?? '').slice(0, 90).replaceAll('|', '/');
      process.stdout.write(`| ${mutation.name} | ${mutation.says} | ${first?.seed ?? `not in ${seeds}`} | ${how} |\n`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return areFound;
}
