import { HushError } from '../core/errors.js';
import { type EventId, eventId, type Keyring } from '../core/keys.js';
import type { Accept } from '../preferences/accept.js';
import { type Draft, subjectKey } from '../preferences/draft.js';
import type { Receipts } from '../preferences/receipts.js';

/** Records an event once, however often the message that asks for it comes. */
export function createRecordOnce(parts: {
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly receipts: Pick<Receipts, 'get'>;
  readonly keyring: Keyring;
}) {
  const { accept, receipts, keyring } = parts;

  /**
   * @param ids ids of the act, in order: the next one is used where the one before was taken with other content (two
   * messages under one id, or a crash half-way with the message back by another way), because a denial is rather recorded
   * twice than lost. A grant is given one id only.
   * @throws HushError `unavailable`, `invalid`; `id_reused` when every id was taken.
   */
  return async function recordOnce(draft: Draft, writer: string, ids: readonly string[]): Promise<EventId> {
    const key = subjectKey(keyring, draft.subject);
    let reused: Error | undefined;
    for (const id of ids) {
      const named = { name: writer, id };
      const event = eventId(keyring, key, named);
      // Asked first: a replayed message is no new act, even when the opposite was done in between.
      if (await receipts.get(event)) return event;
      const [result] = await accept.acceptAll([{ ...draft, writer: named }]);
      if (result && !(result instanceof Error)) return result.id;
      if (!(result instanceof HushError && result.kind === 'id_reused')) throw result;
      reused = result;
    }
    throw reused ?? new Error('an act has an id');
  };
}

export type RecordOnce = ReturnType<typeof createRecordOnce>;
