import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import { syncQueue, WORK } from '../../queues.js';
import type { StaffShell } from './shell.js';

const PATH = '/staff/queues';
const BOARD = `${PATH}/board`;

/** States of jobs as BullMQ counts them, and what they mean here. */
const STATES = [
  ['active', 'being worked on'],
  ['waiting', 'waiting for a worker'],
  ['delayed', 'waiting to be tried again'],
  ['failed', 'failed; a worker’s own look does their work'],
  ['completed', 'done lately'],
] as const;

const ABOUT: Readonly<Record<(typeof WORK)[number], string>> = {
  evaluation: 'Evaluates contacts again after a change of catalog or policy',
  reconcile: 'Compares what destinations hold with what was synced',
  mail: 'Sends what is in the outbox',
  'access-package': 'Gathers what is held of people who asked for it',
  export: 'Writes periods of the ledger for auditors',
};

/** What a queue is for, for somebody who looks at the board. */
function descriptionOf(name: string): string {
  const work = WORK.find((one) => one === name);
  return work ? ABOUT[work] : `Syncs what is pending to ${name.slice(syncQueue('').length)}`;
}

/** How a queue stands; `counts` is undefined where Redis does not answer. */
async function statusOf(queue: Queue) {
  const about = { name: queue.name, description: descriptionOf(queue.name) };
  try {
    const found = await queue.getJobCounts(...STATES.map(([state]) => state));
    return { ...about, counts: STATES.map(([state, words]) => ({ words, count: found[state] ?? 0 })) };
  } catch {
    return { ...about, counts: undefined };
  }
}

/**
 * The queues, to look at: their jobs hold nothing and can be lost, so there is nothing to press. A page of our own says how
 * they stand; the board behind it brings scripts and styles of its own, which no other page may, and has no landmarks.
 */
export function queueBoard(queues: readonly Queue[]) {
  return (shell: StaffShell): void => {
    const adapter = new ExpressAdapter();
    adapter.setBasePath(BOARD);
    createBullBoard({
      queues: queues.map(
        (queue) => new BullMQAdapter(queue, { readOnlyMode: true, description: descriptionOf(queue.name) }),
      ),
      // The two packages bring a copy of the same interface each, a patch version apart.
      serverAdapter: adapter as never,
      options: { uiConfig: { boardTitle: 'Hush queues', miscLinks: [{ text: 'Back to the console', url: PATH }] } },
    });
    const board = adapter.getRouter();
    shell.navigate({ group: 'System', href: PATH, label: 'Queues', permission: 'queues.read' });
    shell.get(PATH, 'queues.read', async (visit) =>
      visit.page('queues', { title: 'Queues', queues: await Promise.all(queues.map(statusOf)), board: BOARD }),
    );
    shell.mount(BOARD, 'queues.read', (request, response, next) => {
      response.set(
        'Content-Security-Policy',
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      board(request, response, next);
    });
  };
}
