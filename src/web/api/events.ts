import { z } from 'zod';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { wholeScope } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import type { Guarded, OpeningGuard, WriterRights } from '../../preferences/opening-guard.js';
import type { ApiKey } from '../../store/api-keys.js';
import type { WriterIds } from '../../store/writer-ids.js';
import { problemOf } from '../middleware/problem.js';
import { onceByKey } from './idempotency.js';
import type { RequestReader } from './requests.js';
import { type ApiRequest, type ApiRoutes, invalidFrom } from './route.js';
import { type EventInput, eventSchema } from './schemas.js';

const GRANTS: ReadonlySet<string> = new Set(['opted_in', 'consent_granted']);

const envelope = z.strictObject({
  events: z.array(z.unknown()).min(1, 'send at least one event').max(1000, 'at most 1,000 events a request'),
});

const acceptedSchema = z.object({
  index: z.number(),
  id: z.string(),
  receipt: z.string(),
  contact: z.string(),
  leftOut: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
});
const answerSchema = z.object({
  accepted: z.array(acceptedSchema),
  rejected: z.array(z.object({ index: z.number(), problem: z.object({}).loose() })),
});

/** Drops what is absent, because the parts below tell absent from undefined. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** What a key's grants may lift: nothing, unless the key has the scope `lift` (a leaked key must not bring marketing back). */
export function liftsFor(
  key: ApiKey,
  asked: 'any' | 'same_source' | 'none' | undefined,
): 'any' | 'same_source' | 'none' {
  return key.scopes.includes('lift') ? (asked ?? 'any') : 'none';
}

export const rightsOf = ({ scopes }: ApiKey): WriterRights => ({
  lift: scopes.includes('lift'),
  erase: scopes.includes('erase'),
});

export function draftFrom(input: EventInput, subject: Subject, key: ApiKey): Draft {
  const { id, contact: _contact, scope, source, reach, lifts, ...fields } = input;
  const { kind, actor, destination, evidence } = source;
  return {
    ...(present(fields) as Omit<Draft, 'subject' | 'source'>),
    subject,
    source: { kind, ...(destination === undefined ? {} : { destination }) },
    ...(scope === undefined ? {} : { scope: wholeScope(present(scope)) }),
    ...(reach === 'person' ? { reach: 'person' as const } : {}),
    ...(GRANTS.has(input.type) ? { lifts: liftsFor(key, lifts) } : {}),
    ...(id === undefined ? {} : { writer: { name: `key:${key.id}`, id } }),
    ...(actor === undefined ? {} : { actor }),
    ...(evidence === undefined ? {} : { evidence: present(evidence) }),
  };
}

/** A fault of one event of a request, its field named as the request has it. */
function inEvent(error: HushError, index: number): HushError {
  return new HushError(error.kind, error.message, {
    ...error.detail,
    field: `events.${index}.${error.detail.field ?? ''}`,
  });
}

interface EventParts {
  readonly accept: Accept;
  readonly reader: RequestReader;
  readonly writerIds: WriterIds;
  readonly guard: OpeningGuard;
  readonly clock: Pick<Clock, 'now'>;
  readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
}

async function guardedDraft(
  parts: Pick<EventParts, 'reader' | 'subjectByKey' | 'guard'>,
  item: unknown,
  index: number,
  key: ApiKey,
): Promise<Guarded> {
  const { reader, guard } = parts;
  const parsed = eventSchema.safeParse(item);
  if (!parsed.success) throw invalidFrom(parsed.error, `events.${index}.`);
  try {
    reader.checkScope(parsed.data.scope && present(parsed.data.scope));
    const subject = await reader.subject(parsed.data.contact, parts.subjectByKey);
    return await guard(draftFrom(parsed.data, subject, key), rightsOf(key));
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    throw inEvent(error, index);
  }
}

async function acceptBatch(
  parts: EventParts,
  items: readonly unknown[],
  key: ApiKey,
): Promise<{ answer: { accepted: unknown[]; rejected: unknown[] }; settled: boolean }> {
  const { accept } = parts;
  const drafts = await Promise.all(
    items.map(async (item, index) => {
      try {
        return await guardedDraft(parts, item, index, key);
      } catch (error) {
        if (error instanceof HushError && error.kind !== 'unavailable') return error;
        throw error;
      }
    }),
  );
  const good = drafts.flatMap((item, index) => (item instanceof HushError ? [] : [{ item, index }]));
  const results = await accept.acceptAll(good.map(({ item }) => item.draft));
  const accepted: unknown[] = [];
  const rejected = drafts.flatMap((item, index) =>
    item instanceof HushError ? [{ index, problem: problemOf(item) }] : [],
  );
  results.forEach((result, at) => {
    const { index = 0, item } = good[at] ?? {};
    if (!(result instanceof Error)) {
      const leftOut = item && item.leftOut.length > 0 ? { leftOut: item.leftOut } : {};
      accepted.push({ index, id: `e_${result.id}`, receipt: `r_${result.id}`, contact: result.contact, ...leftOut });
      return;
    }
    if (!(result instanceof HushError)) throw result;
    rejected.push({ index, problem: problemOf(inEvent(result, index)) });
  });
  // All failed because the record is away: the request as a whole did.
  const failure = results.find((result) => result instanceof HushError && result.kind === 'unavailable');
  if (accepted.length === 0 && failure) throw failure;
  rejected.sort((a, b) => a.index - b.index);
  return { answer: { accepted, rejected }, settled: failure === undefined };
}

function recordEvents(parts: EventParts, { body, key, request, response }: ApiRequest<z.infer<typeof envelope>>) {
  const { writerIds, clock } = parts;
  return onceByKey({ body, key, request, response }, { writerIds, clock }, (name) => {
    const events = body.events.map((item, index) =>
      name !== undefined && item !== null && typeof item === 'object' && !('id' in item)
        ? { ...item, id: `${name}:${index}` }
        : item,
    );
    return acceptBatch(parts, events, key);
  });
}

export function eventRoutes(routes: ApiRoutes, parts: EventParts): void {
  routes.add({
    method: 'post',
    path: '/events',
    operationId: 'recordEvents',
    tag: 'Events',
    summary: 'Record what happened to contacts',
    description:
      'Up to 1,000 events. Each accepted event is durable before the answer. A fault in one rejects that one only. The same id again gives the same answer and no second event. What can turn a denial into an allowance needs the scope `lift`, `erased` the scope `erase`: without it an event is taken as far as it denies, and `leftOut` names what was not, or it is rejected. An Idempotency-Key makes the whole request repeatable for 24 hours.',
    scope: 'events',
    conflict:
      'This Idempotency-Key was used with another body. An id used before with other content rejects its event only',
    body: envelope,
    answer: answerSchema,
    handle: (call) => recordEvents(parts, call),
  });
}
