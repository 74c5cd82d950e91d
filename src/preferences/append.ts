import { type Machine, sleep } from '../core/machine.js';
import type { ProjectionLoop } from '../projection/projection-loop.js';
import { BATCH_TIMEOUT_MS, isUnavailable, withTimeout } from '../store/connect.js';
import type { Append, AppendResult, Contacts } from '../store/contacts.js';
import { createGroupCommit } from './group-commit.js';

/** Pause before a write whose outcome is unknown is sent again. */
const RETRY_EVERY_MS = 100;

export interface AppendContext {
  readonly contacts: Pick<Contacts, 'append' | 'appendOverflow'>;
  readonly projection: Pick<ProjectionLoop, 'projectSoon'>;
  readonly machine: Machine;
}

/** Appends one event to one contact; durable when it resolves. */
export type AppendOne = (item: Append, retryUntil?: number) => Promise<void>;

/**
 * Makes the one write that an acknowledgement waits for.
 *
 * A full array, an id that is pending already, and two processes that create one contact all come back as `busy`: for all
 * three a document of its own is right, because ids are compared again when events are folded and numbered.
 *
 * A write that the time limit cut off may have happened or not. It is sent again, under the same id, until `retryUntil`
 * (ms of `machine.elapsed()`): the writer of a large batch need not know that its database was slow.
 */
export function createAppend({ contacts, projection, machine }: AppendContext): AppendOne {
  const commit = createGroupCommit<Append, AppendResult>((items) => withTimeout(machine, contacts.append(items)), {
    concernsAll: isUnavailable,
  });
  const overflowCommit = createGroupCommit<Append, undefined>(
    async (items) => {
      await withTimeout(machine, contacts.appendOverflow(items), BATCH_TIMEOUT_MS);
      return items.map(() => undefined);
    },
    { concernsAll: isUnavailable },
  );

  return async function append(item, retryUntil = 0) {
    try {
      const result = await commit(item);
      if (result === 'busy') await overflowCommit(item);
      else if (result !== 'appended') throw result;
    } catch (error) {
      if (!isUnavailable(error) || machine.elapsed() >= retryUntil) throw error;
      await sleep(machine, RETRY_EVERY_MS);
      return append(item, retryUntil);
    }
    projection.projectSoon(item.key);
  };
}
