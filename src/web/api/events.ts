import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { wholeScope } from '../../core/scope.js';
import type { Accept, Draft, Subject } from '../../preferences/accept.js';
import type { ApiKey } from '../../store/api-keys.js';
import type { WriterIds } from '../../store/writer-ids.js';
import { problemOf } from '../middleware/problem.js';
import type { RequestReader } from './requests.js';
import { type ApiRoutes, invalidFrom } from './route.js';
import { type EventInput, eventSchema } from './schemas.js';

const GRANTS: ReadonlySet<string> = new Set(['opted_in', 'consent_granted']);

const envelope = z.strictObject({
  events: z.array(z.unknown()).min(1, 'send at least one event').max(1000, 'at most 1,000 events a request'),
});

const acceptedSchema = z.object({ index: z.number(), id: z.string(), receipt: z.string(), contact: z.string() });
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

export function eventRoutes(
  routes: ApiRoutes,
  parts: {
    readonly accept: Accept;
    readonly reader: RequestReader;
    readonly writerIds: WriterIds;
    readonly clock: Pick<Clock, 'now'>;
    readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
  },
): void {
  const { accept, reader, writerIds, clock } = parts;

  async function draft(item: unknown, index: number, key: ApiKey): Promise<Draft> {
    const parsed = eventSchema.safeParse(item);
    if (!parsed.success) throw invalidFrom(parsed.error, `events.${index}.`);
    try {
      reader.checkScope(parsed.data.scope && present(parsed.data.scope));
      return draftFrom(parsed.data, await reader.subject(parsed.data.contact, parts.subjectByKey), key);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      throw inEvent(error, index);
    }
  }

  async function acceptBatch(
    items: readonly unknown[],
    key: ApiKey,
  ): Promise<{ answer: { accepted: unknown[]; rejected: unknown[] }; settled: boolean }> {
    const drafts = await Promise.all(
      items.map(async (item, index) => {
        try {
          return await draft(item, index, key);
        } catch (error) {
          if (error instanceof HushError && error.kind !== 'unavailable') return error;
          throw error;
        }
      }),
    );
    const good = drafts.flatMap((item, index) => (item instanceof HushError ? [] : [{ item, index }]));
    const results = await accept.acceptAll(good.map(({ item }) => item));
    const accepted: unknown[] = [];
    const rejected = drafts.flatMap((item, index) =>
      item instanceof HushError ? [{ index, problem: problemOf(item) }] : [],
    );
    results.forEach((result, at) => {
      const index = good[at]?.index ?? 0;
      if (!(result instanceof Error)) {
        accepted.push({ index, id: `e_${result.id}`, receipt: `r_${result.id}`, contact: result.contact });
        return;
      }
      if (!(result instanceof HushError)) throw result;
      rejected.push({ index, problem: problemOf(inEvent(result, index)) });
    });
    // All failed because the record is away: the request as a whole did.
    const away = results.find((result) => result instanceof HushError && result.kind === 'unavailable');
    if (accepted.length === 0 && away) throw away;
    rejected.sort((a, b) => a.index - b.index);
    return { answer: { accepted, rejected }, settled: away === undefined };
  }

  routes.add({
    method: 'post',
    path: '/events',
    summary: 'Record what happened to contacts',
    description:
      'Up to 1,000 events. Each accepted event is durable before the answer. A fault in one rejects that one only. The same id again gives the same answer and no second event. An Idempotency-Key makes the whole request repeatable for 24 hours.',
    scope: 'events',
    body: envelope,
    answer: answerSchema,
    async handle({ body, key, request, response }) {
      const wanted = request.get('idempotency-key');
      if (wanted === undefined) return (await acceptBatch(body.events, key)).answer;
      if (wanted === '' || wanted.length > 255) {
        throw new HushError('invalid', 'Idempotency-Key has 1 to 255 characters', {
          field: 'Idempotency-Key',
          remedy: 'send a UUID',
        });
      }
      const id = createHash('sha256').update(`${key.id}:${wanted}`).digest('base64url');
      const content = createHash('sha256').update(JSON.stringify(body)).digest('base64url');
      const { act, earlier } = await writerIds.takeKey(id, content, clock.now());
      if (earlier && earlier.content !== content) {
        throw new HushError('id_reused', 'this Idempotency-Key was used with another body', {
          field: 'Idempotency-Key',
          remedy: 'use a new key for a new request',
        });
      }
      if (earlier?.body !== undefined) {
        response
          .status(earlier.status ?? 200)
          .type('application/json')
          .send(earlier.body);
        return undefined;
      }
      // A repeat while the first is under way, or after a crash of it, does the same again: events get ids from the key,
      // and from the act, because a key that was forgotten begins anew.
      const name = act === '' ? id : `${id}:${act}`;
      const events = body.events.map((item, index) =>
        item !== null && typeof item === 'object' && !('id' in item) ? { ...item, id: `${name}:${index}` } : item,
      );
      const { answer, settled } = await acceptBatch(events, key);
      // What was refused only because the record was away for a moment is accepted when it is sent again.
      if (settled) await writerIds.keepAnswer(id, act, 200, JSON.stringify(answer));
      return answer;
    },
  });
}
