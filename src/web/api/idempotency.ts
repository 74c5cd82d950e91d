import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { HushError } from '../../core/errors.js';
import type { ApiKey } from '../../store/api-keys.js';
import type { WriterIds } from '../../store/writer-ids.js';

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

/**
 * Answers a request that may carry an `Idempotency-Key`: for 24 hours the same key gives the answer of the first time; after
 * that it is forgotten, and the same request is a new act. Throws HushError `id_reused` for another body under the same key.
 *
 * @param act does what is asked; `name` is the same for a repeat while the first is under way or after a crash of it, and
 *   undefined without a key. An answer that is not `settled` is not kept, so that the request can be sent again.
 * @returns undefined when the answer of the first time was sent
 */
export async function onceByKey(
  { body, key, request, response }: { body: unknown; key: ApiKey; request: Request; response: Response },
  parts: { readonly writerIds: WriterIds; readonly clock: { now(): number } },
  act: (name: string | undefined) => Promise<{ answer: unknown; settled: boolean }>,
): Promise<unknown> {
  const { writerIds, clock } = parts;
  const wanted = request.get('idempotency-key');
  if (wanted === undefined) return (await act(undefined)).answer;
  if (wanted === '' || wanted.length > 255) {
    throw new HushError('invalid', 'Idempotency-Key has 1 to 255 characters', {
      field: 'Idempotency-Key',
      remedy: 'send a UUID',
    });
  }
  const id = digest(`${key.id}:${wanted}`);
  const content = digest(JSON.stringify(body));
  const { act: taken, earlier } = await writerIds.takeKey(id, content, clock.now());
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
  // From the act too, because a key that was forgotten begins anew.
  const { answer, settled } = await act(taken === '' ? id : `${id}:${taken}`);
  // What was refused only because the record was away for a moment is accepted when it is sent again.
  if (settled) await writerIds.keepAnswer(id, taken, 200, JSON.stringify(answer));
  return answer;
}
