import pLimit, { type LimitFunction } from 'p-limit';
import type { AliasGroupOf } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import {
  ANSWER_TIMEOUT_MS,
  BATCH_TIMEOUT_MS,
  isUnavailable,
  stretched,
  unavailable,
  withTimeout,
} from '../store/connect.js';
import type { Append, Contacts } from '../store/contacts.js';
import type { Persons } from '../store/persons.js';
import type { WriterIds } from '../store/writer-ids.js';
import { type AppendContext, type AppendOne, createAppend } from './append.js';
import { type Accepted, appendOf, checkDraft, type Draft, type Subject } from './draft.js';
import type { Journal } from './journal.js';
import { createReplayedJournal } from './journal-replay.js';
import { sharedPart } from './person-reach.js';
import { finishPersons, joinContacts, reachPerson } from './persons.js';
import type { PrivateParts } from './private-part.js';
import { claimIds } from './retries.js';

/**
 * How long (ms) a single event is tried again while somebody waits: enough for a connection that broke, and short enough
 * that an opt-out link still answers within 2 s.
 */
const RETRY_MS = 200;
/** Person-wide events of one request at work at once: each is several writes, and others need the store meanwhile. */
const MAX_PERSON_WIDE = 4;

interface AcceptParts extends AppendContext {
  readonly contacts: Contacts;
  readonly persons: Persons;
  readonly writerIds: WriterIds;
  readonly keyring: Keyring;
  readonly privateParts: PrivateParts;
  readonly aliasGroupOf: AliasGroupOf;
  readonly clock: Clock;
  /** Keeps an opt-out durably while the store is unavailable. Without one the answer is an honest "not now". */
  readonly journal?: Pick<Journal, 'write' | 'replay' | 'holds'> | undefined;
}

interface AcceptContext extends Omit<AcceptParts, 'journal'> {
  readonly append: AppendOne;
  readonly journal?: Pick<Journal, 'write'> | undefined;
}

interface Patience {
  /** ms of `machine.elapsed()`: until then a write of unknown outcome is sent again. */
  readonly retryUntil: number;
  /** ms that a write may take with all its retries; undefined for a batch, whose writer waits longer. */
  readonly limit: number | undefined;
}

/** Appends an event; a single opt-out may go to the journal when the store does not answer. */
async function appendOrJournal(context: AcceptContext, item: Append, { retryUntil, limit }: Patience): Promise<void> {
  const { append, journal, machine } = context;
  try {
    const appended = append(item, retryUntil);
    await (limit === undefined ? appended : withTimeout(machine, appended, limit));
  } catch (error) {
    if (!journal || item.event.type !== 'opted_out' || !isUnavailable(error)) throw error;
    try {
      await journal.write(item);
    } catch {
      // The journal has logged why. Without either there is no acknowledgement, but an honest 503.
      throw error;
    }
  }
}

async function acceptOne(
  context: AcceptContext,
  draft: Draft,
  patience: Patience,
  personWide: LimitFunction,
): Promise<Accepted> {
  const { item, accepted } = appendOf(context, draft);
  const { event } = item;
  const shared = event.reach === 'person' ? sharedPart(event) : undefined;
  if (shared) {
    await personWide(() => withTimeout(context.machine, reachPerson(context, item, shared), BATCH_TIMEOUT_MS));
  } else {
    const { reach: _reach, ...own } = event;
    await appendOrJournal(context, { ...item, event: own }, patience);
  }
  return accepted;
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Accepts events; each is durable or has an error of its own when this resolves, in order. */
async function acceptAll(context: AcceptContext, drafts: readonly Draft[]): Promise<(Accepted | Error)[]> {
  const now = context.clock.now();
  const checked = drafts.map((draft) => {
    try {
      checkDraft(draft, now);
      return draft;
    } catch (error) {
      return asError(error);
    }
  });
  const faultOf = await claimIds(
    context,
    checked.filter((draft): draft is Draft => !(draft instanceof Error)),
  );
  const isBatch = drafts.length > 1;
  const patience: Patience = {
    retryUntil: context.machine.elapsed() + stretched(isBatch ? BATCH_TIMEOUT_MS : RETRY_MS),
    limit: isBatch ? undefined : ANSWER_TIMEOUT_MS,
  };
  const personWide = pLimit(MAX_PERSON_WIDE);
  return Promise.all(
    checked.map(async (draft) => {
      if (draft instanceof Error) return asError(unavailable(draft));
      try {
        return faultOf(draft) ?? (await acceptOne(context, draft, patience, personWide));
      } catch (error) {
        return asError(unavailable(error));
      }
    }),
  );
}

/**
 * The write path: an event becomes one durable append to its contact and is then acknowledged. Nothing is read and
 * nothing but MongoDB is waited for, unless the writer gave an id of its own or the event reaches a whole person.
 */
export function createAccept(parts: AcceptParts) {
  const append = createAppend(parts);
  const { journal, machine } = parts;
  const context: AcceptContext = {
    ...parts,
    append,
    journal: journal && createReplayedJournal({ journal, append, machine }),
  };
  return {
    acceptAll: (drafts: readonly Draft[]): Promise<(Accepted | Error)[]> => acceptAll(context, drafts),

    /** Accepts one event. Throws HushError; durable when it resolves. */
    async accept(draft: Draft): Promise<Accepted> {
      const [result] = await acceptAll(context, [draft]);
      if (result instanceof Error) throw result;
      if (!result) throw new Error('nothing was accepted');
      return result;
    },

    link: (subjects: readonly Subject[]) => joinContacts(context, subjects),

    /** Appends what the journal kept. */
    append,

    finishPersons: (): Promise<number> => finishPersons(context),
  };
}

export type Accept = ReturnType<typeof createAccept>;
