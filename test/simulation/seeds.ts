import fc from 'fast-check';
import type { Scenario } from './acts.js';
import { type Outcome, runScenario } from './run.js';
import { scenario } from './scenario.js';

/** Longest (ms) that a failing scenario is made smaller. */
const SHRINK_MS = 60_000;

/** The scenario of a seed. */
export function scenarioOf(seed: number): Scenario {
  const [found] = fc.sample(scenario, { seed, numRuns: 1, unbiased: true } as fc.Parameters<Scenario>);
  if (!found) throw new Error('fast-check made no scenario');
  return found;
}

export function runSeed(seed: number): Promise<Outcome> {
  return runScenario(scenarioOf(seed));
}

/** The smallest scenario that still fails, found from that of a seed by leaving out what does not matter. */
export async function smallestOf(seed: number): Promise<Scenario> {
  const details = await fc.check(
    fc.asyncProperty(scenario, async (one) => {
      const { broken } = await runScenario(one);
      if (broken) throw broken;
    }),
    { seed, numRuns: 1, unbiased: true, interruptAfterTimeLimit: SHRINK_MS },
  );
  return details.counterexample?.[0] ?? scenarioOf(seed);
}

/** What happened in a scenario, a line each with its simulated time (ms). */
export async function storyOf(one: Scenario, commands?: RegExp): Promise<string> {
  const lines: string[] = [];
  const { broken, steps, took } = await runScenario(one, {
    onLine: (time, line) => lines.push(`${time.toFixed(1).padStart(9)}  ${line}`),
    ...(commands ? { commands } : {}),
  });
  lines.push(
    broken ? `broken: ${broken.message}` : 'nothing was broken',
    `${steps} steps, ${(took / 1000).toFixed(1)} s`,
  );
  return lines.join('\n');
}

/** The first of so many seeds that breaks a promise, with how to see it; undefined when none does. */
export async function failureAmong(from: number, count: number): Promise<string | undefined> {
  for (let seed = from; seed < from + count; seed++) {
    const { broken } = await runSeed(seed);
    if (broken) return `${broken.message} (npm run simulate -- --from ${seed} --seeds 1)`;
  }
  return undefined;
}
