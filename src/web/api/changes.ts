import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { type Machine, sleep } from '../../core/machine.js';
import { type Changes, FEED_START, type FeedPosition } from '../../store/changes.js';
import { BATCH_TIMEOUT_MS, withTimeout } from '../../store/connect.js';
import { changeEntry, cursorPosition, cursorText, positionRefusal } from '../../suppression/change-entry.js';
import type { ApiRoutes } from './route.js';

/** How often (ms) a waiting reader's question is asked again. */
const LOOK = 200;
const MAX_WAIT_SECONDS = 60;

function positionOf(cursor: string): FeedPosition {
  const position = cursorPosition(cursor);
  if (position) return position;
  throw new HushError('invalid', 'this is no cursor of the feed', {
    field: 'after',
    remedy: 'give the cursor of an earlier answer, or leave it out to begin at the oldest change',
  });
}

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

export function changeRoutes(
  routes: ApiRoutes,
  parts: { readonly changes: Changes; readonly machine: Machine; readonly isStopping: () => boolean },
): void {
  const { changes, machine } = parts;
  routes.add({
    method: 'get',
    path: '/changes',
    operationId: 'listChanges',
    tag: 'Change feed',
    summary: 'The change feed',
    description:
      'Contacts about which something changed, in order, each at least once: ask for the decision. Go on with the cursor of the answer. `wait` holds the answer for up to 60 seconds until there is a change. A cursor from more than 90 days ago, or from before an older backup was restored, is refused: begin again with an export.',
    scope: 'changes',
    conflict:
      'Changes after this cursor are no longer kept, or an older backup was restored since; begin again with /v1/suppressions',
    query: z.strictObject({
      after: z.string().optional(),
      limit: wholeNumber(1, 10_000).default(1000),
      wait: wholeNumber(0, MAX_WAIT_SECONDS).default(0),
    }),
    answer: z.object({
      changes: z.array(
        z.object({
          cursor: z.string(),
          contact: z.string(),
          at: z.string(),
          scopes: z.array(z.object({}).loose()),
          version: z.number(),
        }),
      ),
      cursor: z.string(),
      more: z.boolean(),
    }),
    async handle({ query, request }) {
      const after = query.after === undefined ? undefined : positionOf(query.after);
      const until = machine.now() + query.wait * 1000;
      let gone = false;
      request.on('close', () => {
        gone = true;
      });
      for (;;) {
        const found = await withTimeout(machine, changes.after(after, query.limit), BATCH_TIMEOUT_MS);
        const refusal = after && positionRefusal(after, found.state);
        if (refusal) throw refusal;
        if (found.changes.length > 0 || machine.now() >= until || gone || parts.isStopping()) {
          const last = found.changes.at(-1) ?? after ?? FEED_START;
          return {
            changes: found.changes.map(changeEntry),
            cursor: cursorText(last),
            more: last.number < found.head.number,
          };
        }
        await sleep(machine, LOOK);
      }
    },
  });
}
