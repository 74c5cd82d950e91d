import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { Changes } from '../../store/changes.js';
import { inTime, MANY_WITHIN } from '../../store/connect.js';
import { changeEntry, cursorNumber, cursorText } from '../../suppression/change-entry.js';
import type { ApiRoutes } from './route.js';

/** How often (ms) a waiting reader's question is asked again. */
const LOOK = 200;
const LONGEST_WAIT = 60;

function numberOf(cursor: string): number {
  const number = cursorNumber(cursor);
  if (number === undefined) {
    throw new HushError('invalid', 'this is no cursor of the feed', {
      field: 'after',
      remedy: 'give the cursor of an earlier answer, or leave it out to begin at the oldest change',
    });
  }
  return number;
}

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

export function changeRoutes(
  routes: ApiRoutes,
  parts: { readonly changes: Changes; readonly isStopping: () => boolean },
): void {
  const { changes } = parts;
  routes.add({
    method: 'get',
    path: '/changes',
    summary: 'The change feed',
    description:
      'Contacts about which something changed, in order, each at least once: ask for the decision. Go on with the cursor of the answer. `wait` holds the answer for up to 60 seconds until there is a change. A reader that was away for more than 90 days begins again with an export.',
    scope: 'changes',
    query: z.strictObject({
      after: z.string().optional(),
      limit: wholeNumber(1, 10_000).default(1000),
      wait: wholeNumber(0, LONGEST_WAIT).default(0),
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
      const after = query.after === undefined ? 0 : numberOf(query.after);
      const until = Date.now() + query.wait * 1000;
      let gone = false;
      request.on('close', () => {
        gone = true;
      });
      for (;;) {
        const found = await inTime(changes.after(after, query.limit), MANY_WITHIN);
        if (after > found.head) {
          throw new HushError('invalid', 'this cursor lies ahead of the feed', {
            field: 'after',
            remedy: 'was the store restored from a backup? Begin again with an export',
          });
        }
        if (query.after !== undefined && after + 1 < found.oldest && after < found.head) {
          throw new HushError('conflict', 'changes after this cursor are no longer kept', {
            field: 'after',
            remedy: 'take /v1/suppressions anew and go on from its Hush-Cursor',
          });
        }
        if (found.changes.length > 0 || Date.now() >= until || gone || parts.isStopping()) {
          const last = found.changes.at(-1)?.number ?? after;
          return {
            changes: found.changes.map(changeEntry),
            cursor: cursorText(last),
            more: last < found.head,
          };
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    },
  });
}
