import type { Reconciliation, Reconciliations } from '../store/reconciliations.js';
import { driftOf, totalsOf } from '../sync/compare.js';
import { progressBar } from './progress-bar.js';

/** Between looks at the progress (ms). */
const LOOK = 250;
/** After so long (ms) without a worker it is said that there seems to be none. */
const PATIENCE = 15_000;

const LABELS: Readonly<Record<Reconciliation['phase'], string>> = {
  reading: 'reading there',
  comparing: 'comparing here',
  asserting: 'saying again',
  done: 'done',
};

/** Asks for a comparison of one destination and shows how it goes. Resolves with the finished run. */
export async function reconcile(parts: {
  readonly reconciliations: Reconciliations;
  readonly name: string;
  readonly dryRun: boolean;
  readonly now: () => number;
  /** A terminal gets a progress bar, a file gets lines. */
  readonly out: NodeJS.WriteStream;
}): Promise<Reconciliation> {
  const { reconciliations, name, out } = parts;
  const { current: before } = await reconciliations.get(name);
  const began = performance.now();
  await reconciliations.request(name, { dryRun: parts.dryRun, by: 'cli', at: parts.now() });
  const bar = progressBar(name, out);
  bar.start(1, 0, { phase: 'waits for a worker' });
  let warned = false;
  try {
    for (;;) {
      const { current: run } = await reconciliations.get(name);
      const isOurs = run !== undefined && run.run !== before?.run && run.by === 'cli';
      if (run && isOurs) {
        bar.setTotal(Math.max(1, run.expected + (run.phase === 'asserting' ? 0 : Math.max(run.read, run.expected))));
        bar.update(run.read + run.compared, { phase: run.why ?? LABELS[run.phase] });
        if (run.phase === 'done') {
          bar.update(bar.getTotal(), { phase: LABELS.done });
          return run;
        }
      } else if (!warned && performance.now() - began > PATIENCE) {
        warned = true;
        process.stderr.write(
          'No worker has taken it up yet. Does npm start, or a process with HUSH_ROLE=worker, run?\n',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  } finally {
    bar.stop();
  }
}

/** What a comparison found, a line a binding. */
export function reportOf(run: Reconciliation): string[] {
  const lines = Object.entries(run.found).map(([binding, counts]) => {
    const kinds = Object.entries(counts).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')}`);
    return `  ${binding}: ${kinds.length > 0 ? kinds.join(', ') : 'nothing to compare'}`;
  });
  const drift = driftOf(totalsOf(run.found));
  const outcome = drift === 0 ? 'No drift.' : `Drift: ${drift}${run.dryRun ? '; nothing was changed' : ', repaired'}.`;
  return [...lines, outcome];
}
