import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { Consents } from '../../preferences/consents.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import type { OpeningGuard } from '../../preferences/opening-guard.js';
import { fittingEvidence } from '../../preferences/private-part.js';
import type { ApiKey } from '../../store/api-keys.js';
import { RowFault } from '../../suppression/import.js';
import {
  checkListEvent,
  type ImportDefaults,
  isDay,
  isObject,
  type ListEvent,
  withDefaults,
} from '../../suppression/import-policy.js';
import { parseJson, utf8 } from '../middleware/json.js';
import { draftFrom, rightsOf } from './events.js';
import { TOO_LONG } from './ndjson.js';
import { faultsOf } from './remedies.js';
import type { RequestReader } from './requests.js';
import { eventSchema, scopeSchema, sourceSchema, time } from './schemas.js';

/** Field names that an error may name. An unknown one may be anything, even an address. */
const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(eventSchema.shape),
  ...Object.keys(scopeSchema.shape),
  ...Object.keys(sourceSchema.shape),
  ...[
    'email',
    'phone',
    'postal',
    'key',
    'name',
    'line1',
    'line2',
    'city',
    'region',
    'postalCode',
    'country',
    'version',
  ],
]);
function safeFieldName(path: readonly PropertyKey[]): string {
  const end = path.findIndex((part) => typeof part !== 'string' || !KNOWN.has(part));
  return (end === -1 ? path : path.slice(0, end)).map(String).join('.') || 'row';
}

/** A day, or a time with its offset. */
export const listTime = z
  .string()
  .max(40)
  .regex(/^\d{4}-\d{2}-\d{2}([Tt].+)?$/, 'write a day as 2019-03-01, or a time as 2019-03-01T15:00:00Z')
  .refine((text) => time.safeParse(isDay(text) ? `${text}T00:00:00Z` : text).success, 'there is no such time');

/** A line of an NDJSON list as an event of the API. Throws RowFault. */
export function eventInLine(line: Buffer | typeof TOO_LONG): ListEvent {
  if (line === TOO_LONG) throw new RowFault('row', 'the line is longer than 64 kB');
  let value: unknown;
  try {
    value = parseJson(utf8(line));
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    // The parser's own message quotes a name of the object, which may be an address.
    throw new RowFault('row', 'the line is not one JSON object in UTF-8 that has every name once');
  }
  if (!isObject(value)) throw new RowFault('row', 'the line is no JSON object');
  return value;
}

export interface ImportRowParts {
  readonly reader: RequestReader;
  readonly consents: Pick<Consents, 'wording'>;
  readonly guard: OpeningGuard;
  readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
  readonly idOf: (draft: Draft) => string;
  readonly now: () => number;
}

/** The import that a row belongs to. */
export interface ImportContext {
  readonly list: string;
  readonly defaults: ImportDefaults;
  readonly key: ApiKey;
}

/** The event of a row as it is recorded. Throws RowFault, or HushError `unavailable` when the database cannot be reached. */
export async function draftOfRow(
  parts: ImportRowParts,
  row: ListEvent,
  { list, defaults, key }: ImportContext,
): Promise<Draft> {
  const { reader, consents } = parts;
  const parsed = eventSchema.safeParse(withDefaults(row, list, defaults, parts.now()));
  if (!parsed.success) {
    const [fault] = faultsOf(parsed.error.issues);
    throw new RowFault(safeFieldName(fault?.path ?? []), fault?.remedy ?? 'this is no event');
  }
  const event = parsed.data;
  checkListEvent(event, row, parts.now());
  try {
    reader.checkScope(event.scope as Parameters<typeof reader.checkScope>[0]);
    const { evidence = {} } = event.source;
    const texts = Object.fromEntries(Object.entries(evidence).map(([name, value]) => [name, String(value ?? '')]));
    const fitting =
      event.type === 'consent_granted' && event.notice
        ? fittingEvidence({ wording: consents.wording(event.notice, 'en'), ...texts })
        : evidence;
    const draft: Draft = {
      ...draftFrom(event, await reader.subject(event.contact, parts.subjectByKey), key),
      evidence: fitting,
    };
    await parts.guard(draft, rightsOf(key));
    return { ...draft, writer: { name: `import:${list}`, id: event.id ?? parts.idOf(draft) } };
  } catch (error) {
    if (!(error instanceof HushError) || error.kind === 'unavailable') throw error;
    const { field = '', remedy } = error.detail;
    throw new RowFault(
      safeFieldName(field.split('.')),
      remedy === undefined ? error.message : `${error.message}; ${remedy}`,
      error.kind,
    );
  }
}
