import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { after, isClosed, type RequestAction } from '../../core/request.js';
import { unavailable } from '../../store/connect.js';
import type { DueLetter, RequestEntry, RequestFields, RequestRecord, RequestStore } from '../../store/requests.js';
import type { RequestSeal } from './personal.js';

/** Who acts: `staff <id>` with a name, `person`, `agent`, `system` or `key:<id>`. */
export interface By {
  readonly id: string;
  readonly name?: string;
}
export const SYSTEM: By = { id: 'system' };
export const PERSON: By = { id: 'person' };
export const AGENT: By = { id: 'agent' };

/** Longest free text (characters) that is taken with a request. */
export const TEXT_LIMIT = 4000;

const MAX_ATTEMPTS = 20;

/** What is written down beside a change. */
export interface Note {
  readonly what: string;
  readonly facts?: Readonly<Record<string, string>>;
  /** Free words; sealed. */
  readonly text?: string | undefined;
}

/** A letter to be sent once the change is durable. */
export interface WantedLetter {
  readonly kind: string;
  readonly reason?: string;
  readonly explanation?: string | undefined;
}

interface RecordParts {
  readonly store: RequestStore;
  readonly seal: RequestSeal;
  readonly clock: Clock;
}

function entry(parts: RecordParts, record: Pick<RequestRecord, 'id' | 'dataKey'>, by: By, note: Note): RequestEntry {
  const { seal, clock } = parts;
  const key = note.text ? seal.keyOf(record) : undefined;
  return {
    at: new Date(clock.now()),
    by: by.id,
    what: note.what,
    ...(by.name === undefined ? {} : { byName: by.name }),
    ...(note.facts ? { facts: note.facts } : {}),
    ...(note.text && key ? { text: seal.sealText(record.id, key, note.text.slice(0, TEXT_LIMIT)) } : {}),
  };
}

function letterRow(parts: RecordParts, record: RequestRecord, letter: WantedLetter): DueLetter {
  const { seal, clock } = parts;
  const key = letter.explanation ? seal.keyOf(record) : undefined;
  return {
    kind: letter.kind,
    at: new Date(clock.now()),
    ...(letter.reason === undefined ? {} : { reason: letter.reason }),
    ...(letter.explanation && key
      ? { text: seal.sealText(record.id, key, letter.explanation.slice(0, TEXT_LIMIT)) }
      : {}),
  };
}

async function get(parts: RecordParts, id: string): Promise<RequestRecord> {
  const record = await parts.store.get(id).catch((error: unknown) => {
    throw unavailable(error);
  });
  if (!record) throw new HushError('not_found', 'there is no such request');
  return record;
}

/** Writes a change down. Throws `conflict` when the request changed since it was read. */
async function change(
  parts: RecordParts,
  record: RequestRecord,
  by: By,
  fields: RequestFields,
  note: Note,
  letters: readonly WantedLetter[] = [],
): Promise<RequestRecord> {
  const added = letters.map((letter) => letterRow(parts, record, letter));
  const all = added.length > 0 ? { ...fields, letters: [...record.letters, ...added] } : fields;
  let changed: boolean;
  try {
    changed = await parts.store.change(record, all, [entry(parts, record, by, note)]);
  } catch (error) {
    throw unavailable(error);
  }
  if (!changed) {
    throw new HushError('conflict', 'somebody changed this request meanwhile', { remedy: 'look at it again' });
  }
  return get(parts, record.id);
}

/**
 * Does something to the request as it is now, again where somebody else changed it between. For what a person sends:
 * that staff work on the request at the same moment is nothing they could mend.
 */
async function onLatest<T>(parts: RecordParts, id: string, act: (record: RequestRecord) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const record = await get(parts, id);
    try {
      return await act(record);
    } catch (error) {
      const isChanged =
        error instanceof HushError && error.kind === 'conflict' && (await get(parts, id)).rev !== record.rev;
      if (!isChanged || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Does what the table of transitions allows, or throws `conflict`. */
async function act(
  parts: RecordParts,
  record: RequestRecord,
  action: RequestAction,
  by: By,
  fields: RequestFields,
  note: Omit<Note, 'what'> & { readonly what?: string },
  letters: readonly WantedLetter[] = [],
): Promise<RequestRecord> {
  const state = after(record.kind, record.state, action);
  if (!state) {
    throw new HushError('conflict', `a request that is ${record.state.replaceAll('_', ' ')} does not allow that`, {
      remedy: 'look at it again: it may have moved on',
    });
  }
  const closes = isClosed(state) ? { closedAt: new Date(parts.clock.now()) } : {};
  return change(parts, record, by, { ...fields, ...closes, state }, { what: action, ...note }, letters);
}

/** Reads and changes requests: by the table of transitions, one change at a time, each with its entry. */
export function createRecords(parts: RecordParts) {
  return {
    get: get.bind(undefined, parts),
    change: change.bind(undefined, parts),
    entry: entry.bind(undefined, parts),
    onLatest: <T>(id: string, act: (record: RequestRecord) => Promise<T>) => onLatest(parts, id, act),
    act: act.bind(undefined, parts),
  };
}

export type Records = ReturnType<typeof createRecords>;
