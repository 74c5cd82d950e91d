import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import type { StaffShell } from './shell.js';

const PATH = '/staff/queues';
const BOARD = `${PATH}/board`;

/** States of jobs as BullMQ counts them, and what they mean here. */
const STATES = [
  ['active', 'being worked on'],
  ['waiting', 'waiting for a worker'],
  ['delayed', 'waiting for their time'],
  ['failed', 'failed; the sweeper does their work'],
] as const;

/**
 * The wake-up queue, to look at: its jobs hold nothing and can be lost, so there is nothing to press. A page of our own says
 * how it stands; the board behind it brings scripts and styles of its own, which no other page may, and has no landmarks.
 */
export function queueBoard(queue: Queue) {
  /** Undefined where Redis does not answer. */
  async function counts(): Promise<{ words: string; count: number }[] | undefined> {
    try {
      const found = await queue.getJobCounts(...STATES.map(([state]) => state));
      return STATES.map(([state, words]) => ({ words, count: found[state] ?? 0 }));
    } catch {
      return undefined;
    }
  }

  return (shell: StaffShell): void => {
    const adapter = new ExpressAdapter();
    adapter.setBasePath(BOARD);
    createBullBoard({
      queues: [new BullMQAdapter(queue, { readOnlyMode: true, description: 'Wake-ups of destinations' })],
      // The two packages bring a copy of the same interface each, a patch version apart.
      serverAdapter: adapter as never,
      options: { uiConfig: { boardTitle: 'Hush queues', miscLinks: [{ text: 'Back to the console', url: PATH }] } },
    });
    const board = adapter.getRouter();
    shell.navigate({ group: 'System', href: PATH, label: 'Queues', permission: 'queues.read' });
    shell.get(PATH, 'queues.read', async (visit) =>
      visit.page('queues', { title: 'Queues', name: queue.name, counts: await counts(), board: BOARD }),
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
