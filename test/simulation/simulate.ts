/**
 * npm run simulate -- [--seeds 10000] [--from 1] [--processes 2] [--keep-going]
 * npm run simulate -- --seed 4711                     the story of one seed
 * npm run simulate -- --scenario file.json            the story of a scenario, as the corpus keeps them
 * … --commands 'regular expression'                 with the commands to the database that it fits, and their answers
 * npm run simulate -- --mutations [name …]            breaks the program in known ways, and counts the seeds until each is found
 *
 * Runs the scenarios of so many seeds. The first that fails is made smaller and told as a story.
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findMutations } from './mutate.js';
import { runSeed, scenarioOf, smallestOf, storyOf } from './seeds.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    processes: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    commands: { type: 'string' },
    mutations: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    /** Set for the processes that this one starts: which of the seeds are theirs. */
    share: { type: 'string' },
  },
});

const first = Number(values.from);
const seeds = Number(values.seeds);
const processes = Number(values.processes);
const commands = values.commands === undefined ? undefined : new RegExp(values.commands);

interface Report {
  readonly seed: number;
  readonly broken?: string;
}

/** Every `processes`th seed, reported one by one to the parent. */
async function runShare(share: number): Promise<void> {
  for (let seed = first + share; seed < first + seeds; seed += processes) {
    const { broken } = await runSeed(seed);
    process.send?.({ seed, ...(broken ? { broken: broken.message } : {}) } satisfies Report);
  }
}

const perSecond = (count: number, since: number): number =>
  Math.round((count * 1000) / Math.max(1, Date.now() - since));

/** Runs all seeds in several processes. Resolves with those that failed, in order; the first of them ends it, unless it keeps going. */
function runAll(): Promise<Report[]> {
  return new Promise((resolve) => {
    const failed: Report[] = [];
    const since = Date.now();
    let done = 0;
    let saidAt = since;
    let left = processes;
    const children = Array.from({ length: processes }, (_, share) =>
      fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--share', String(share)], {
        execArgv: process.execArgv,
      }),
    );
    const end = () => {
      for (const child of children) child.kill();
      process.stdout.write(
        `${done} seeds in ${Math.round((Date.now() - since) / 1000)} s, ${perSecond(done, since)} a second\n`,
      );
      resolve(failed.sort((a, b) => a.seed - b.seed));
    };
    for (const child of children) {
      child.on('message', (report: Report) => {
        done++;
        if (report.broken !== undefined) {
          failed.push(report);
          process.stdout.write(`seed ${report.seed}: ${report.broken}\n`);
          if (!values['keep-going']) end();
        }
        if (Date.now() - saidAt > 5000) {
          saidAt = Date.now();
          process.stdout.write(`${done} of ${seeds} seeds, ${perSecond(done, since)} a second\n`);
        }
      });
      child.on('exit', (code) => {
        // Ended by its own fault, and not by us.
        if (code) process.exitCode = 1;
        left--;
        if (left === 0) end();
      });
    }
  });
}

if (values.share !== undefined) {
  await runShare(Number(values.share));
  process.disconnect();
} else if (values.mutations) {
  if (!(await findMutations(seeds, positionals))) process.exitCode = 1;
} else if (values.seed !== undefined) {
  process.stdout.write(
    `${JSON.stringify(scenarioOf(Number(values.seed)), undefined, 2)}\n${await storyOf(scenarioOf(Number(values.seed)), commands)}\n`,
  );
} else if (values.scenario !== undefined) {
  const { scenario } = JSON.parse(readFileSync(values.scenario, 'utf8'));
  process.stdout.write(`${await storyOf(scenario, commands)}\n`);
} else {
  const failed = await runAll();
  const [one] = failed;
  if (one) {
    process.exitCode = 1;
    if (!values.quick) {
      const smallest = await smallestOf(one.seed);
      process.stdout.write(
        `\nSeed ${one.seed}, made as small as it still fails:\n${JSON.stringify(smallest)}\n\n${await storyOf(smallest)}\n`,
      );
    }
  }
}
