/**
 * npm run mutants -- [--count 50] [--seed 1] [--under src/core] [--seconds 240]
 *
 * Changes one place of `src` at a time, in a copy, and runs the tests that reach that file, the nearest first, until one fails. A
 * mutant that survives them is a line that no test would miss. Ends with a table for the record.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { tsImport } from 'tsx/esm/api';
import startStores, { stopStores } from '../support/start-stores.mjs';
import { placesIn } from './places.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Test files tried for one mutant. */
const NEAREST = 12;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    under: { type: 'string', default: 'src' },
    seconds: { type: 'string', default: '240' },
  },
});

const filesUnder = (folder, ending) =>
  readdirSync(path.join(ROOT, folder), { recursive: true })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.join(folder, file))
    .sort();

/** Every file that a file imports, directly or not, relative to the project. */
function reach(file, known = new Set()) {
  if (known.has(file)) return known;
  known.add(file);
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  for (const [, specifier] of text.matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)\.js'/g)) {
    const other = path.join(path.dirname(file), `${specifier}.ts`);
    if (existsSync(path.join(ROOT, other))) reach(other, known);
  }
  return known;
}

/** How many folders two paths share from the top, the first (`src`, `test`) aside. */
function shared(one, other) {
  const [a, b] = [one, other].map((file) => path.dirname(file).split(path.sep).slice(1));
  const apart = a.findIndex((folder, depth) => folder !== b[depth]);
  return apart < 0 ? a.length : apart;
}

/** The test files that reach a source, the nearest first: its twin, then by folder, then those that reach little; journeys last. */
function testsOf(source, reached) {
  const twin = source.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts');
  const distance = (test) =>
    test === twin ? 0 : (10 - shared(source, test)) * 1000 + reached.get(test).size + (isJourney(test) ? 100_000 : 0);
  return [...reached.keys()]
    .filter((test) => reached.get(test).has(source))
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, NEAREST);
}

const isJourney = (test) => test.startsWith(path.join('test', 'journeys'));

/** The first test file that fails, or undefined when all pass. */
function firstFailure(folder, tests, seconds) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(ROOT, 'node_modules/jest/bin/jest.js'), ...tests], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const end = (failure) => {
      clearTimeout(timer);
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
      resolve(failure);
    };
    const timer = setTimeout(() => end(`no end within ${seconds} s`), seconds * 1000);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      const failed = /^FAIL (\S+)/m.exec(output)?.[1];
      if (failed) end(failed);
    });
    child.on('close', (code) => end(code === 0 ? undefined : 'the run itself'));
  });
}

const { seeded } = await tsImport('../support/seeded.ts', import.meta.url);
// The same mutants for the same seed and the same sources.
const random = seeded(Number(values.seed));
const sources = filesUnder(values.under, '.ts').filter((file) => !file.endsWith('.d.ts'));
const reached = new Map(filesUnder('test', '.test.ts').map((test) => [test, reach(test)]));
const places = sources.flatMap((file) =>
  placesIn(readFileSync(path.join(ROOT, file), 'utf8')).map((place) => ({ file, ...place })),
);
const chosen = [];
while (chosen.length < Math.min(Number(values.count), places.length)) {
  chosen.push(...places.splice(Math.floor(random() * places.length), 1));
}

const folder = await mkdtemp(path.join(tmpdir(), 'hush-mutants-'));
for (const part of readdirSync(ROOT)) {
  if (/^(node_modules|\.git|dist|data)$/.test(part)) continue;
  await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
}
await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
await startStores();
process.env.HUSH_SHARED ??= path.resolve(ROOT, '../shared');

const survivors = [];
for (const [index, { file, start, end, text, what }] of chosen.entries()) {
  const source = await readFile(path.join(ROOT, file));
  const line = source.subarray(0, start).toString().split('\n').length;
  await writeFile(
    path.join(folder, file),
    Buffer.concat([source.subarray(0, start), Buffer.from(text), source.subarray(end)]),
  );
  const tests = testsOf(file, reached);
  const killer = tests.length === 0 ? undefined : await firstFailure(folder, tests, Number(values.seconds));
  await writeFile(path.join(folder, file), source);
  const where = `${file}:${line}`;
  if (!killer)
    survivors.push(
      `| ${where} | ${what} | \`${source.subarray(start, end).toString().replaceAll(/\s+/g, ' ').slice(0, 80)}\` |`,
    );
  process.stdout.write(
    `${index + 1}/${chosen.length} ${killer ? `killed by ${killer}` : 'SURVIVED'}: ${where} ${what}\n`,
  );
}
await stopStores();
await rm(folder, { recursive: true, force: true });
process.stdout.write(`\n${chosen.length - survivors.length} of ${chosen.length} killed\n`);
if (survivors.length > 0) process.stdout.write(`\n| where | change | was |\n|---|---|---|\n${survivors.join('\n')}\n`);
