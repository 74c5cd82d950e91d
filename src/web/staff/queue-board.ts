import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import type { StaffShell } from './shell.js';

const PATH = '/staff/queues';

/**
 * The wake-up queue, to look at: its jobs hold nothing and can be lost, so there is nothing to press. It brings scripts and
 * styles of its own, which no other page may.
 */
export function queueBoard(queue: Queue) {
  return (shell: StaffShell): void => {
    const adapter = new ExpressAdapter();
    adapter.setBasePath(PATH);
    createBullBoard({
      queues: [new BullMQAdapter(queue, { readOnlyMode: true, description: 'Wake-ups of destinations' })],
      // The two packages bring a copy of the same interface each, a patch version apart.
      serverAdapter: adapter as never,
      options: { uiConfig: { boardTitle: 'Hush queues', miscLinks: [{ text: 'Back to the console', url: '/staff' }] } },
    });
    const board = adapter.getRouter();
    shell.navigate({ group: 'System', href: PATH, label: 'Queues', permission: 'queues.read' });
    shell.mount(PATH, 'queues.read', (request, response, next) => {
      response.set(
        'Content-Security-Policy',
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      board(request, response, next);
    });
  };
}
