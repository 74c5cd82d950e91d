import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import { syncQueue, WORK } from '../../queues.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import type { StaffShell, Visit } from './shell.js';

const PATH = '/staff/queues';
const BOARD = `${PATH}/board`;

/** States of jobs as BullMQ counts them, by the heading of their column. */
const STATES = [
  ['active', 'In work'],
  ['waiting', 'Waiting'],
  ['delayed', 'To be retried'],
  ['failed', 'Failed'],
  ['completed', 'Done lately'],
] as const;
type State = (typeof STATES)[number][0];

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

interface QueueStatus {
  readonly name: string;
  readonly work: string;
  readonly counts: Readonly<Partial<Record<State, number>>>;
}

/** How the queues stand; undefined where Redis does not answer. */
async function statusesOf(queues: readonly Queue[]): Promise<QueueStatus[] | undefined> {
  try {
    return await Promise.all(
      queues.map(async (queue) => ({
        name: queue.name,
        work: descriptionOf(queue.name),
        counts: await queue.getJobCounts(...STATES.map(([state]) => state)),
      })),
    );
  } catch {
    return undefined;
  }
}

function queueList(all: readonly QueueStatus[]): List<QueueStatus> {
  return {
    name: 'queues',
    title: 'Queues',
    noun: ['queue', 'queues'],
    filters: [],
    columns: [
      { label: 'Queue', text: ({ name }) => name, sort: 'name' },
      { label: 'Work', text: ({ work }) => work },
      ...STATES.map(([state, label]) => ({
        label,
        text: ({ counts }: QueueStatus) => (counts[state] ?? 0).toLocaleString('en'),
        num: true,
        sort: state,
      })),
    ],
    order: { by: '', descending: false },
    empty: { title: 'No queue', text: 'This installation has no queues.' },
    rows: rowsOf(all, '', ({ name, work }) => `${name} ${work}`, {
      name: ({ name }) => name,
      ...Object.fromEntries(STATES.map(([state]) => [state, ({ counts }: QueueStatus) => counts[state] ?? 0])),
    }),
  };
}

async function showQueues(queues: readonly Queue[], visit: Visit): Promise<void> {
  const statuses = await statusesOf(queues);
  const spec = statuses && queueList(statuses);
  if (spec && (await sentAsCsv(visit, spec))) return;
  await visit.page('queues', { title: 'Queues', list: spec && (await viewList(visit, spec)), board: BOARD });
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
    shell.get(PATH, 'queues.read', (visit) => showQueues(queues, visit));
    shell.mount(BOARD, 'queues.read', (request, response, next) => {
      response.set(
        'Content-Security-Policy',
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      board(request, response, next);
    });
  };
}
