import { createHmac } from 'node:crypto';
import { contentText } from '../core/canonical-json.js';
import { HushError } from '../core/errors.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { BATCH_TIMEOUT_MS, unavailable, withTimeout } from '../store/connect.js';
import type { WriterIds } from '../store/writer-ids.js';
import { type Draft, subjectKey } from './draft.js';

/** 132 bits, as base64url. */
const HASH_LETTERS = 22;

const keyedHash = (keyring: Keyring, text: string): string =>
  createHmac('sha256', keyring.lookup).update(text).digest('base64url').slice(0, HASH_LETTERS);

/** Same content, same text: what a retry is compared by. Keyed, so that the store tells nothing of the content. */
function contentHash(keyring: Keyring, { writer: _writer, subject, ...rest }: Draft): string {
  return keyedHash(keyring, contentText([subjectKey(keyring, subject).toString('hex'), rest]));
}

/** What a writer's own id is remembered under. */
function writerHash(keyring: Keyring, writer: { readonly name: string; readonly id: string }): string {
  return keyedHash(keyring, `writer:${writer.name.length}:${writer.name}:${writer.id}`);
}

interface Claim {
  readonly id: string;
  readonly content: string;
}

const NO_FAULT = (): undefined => undefined;

function idReused(): HushError {
  return new HushError('id_reused', 'this id was used before with other content', {
    field: 'id',
    remedy: 'give every event an id of its own; repeat an event unchanged',
  });
}

/**
 * Remembers the ids that writers gave, each with its content: of several contents under one id, in this request or before
 * it, the first counts. Without an id of a writer the store is not asked.
 *
 * @returns what is wrong with one of `drafts` (the object itself, not a copy) whose id was used with other content
 */
export async function claimIds(
  context: {
    readonly writerIds: Pick<WriterIds, 'claim'>;
    readonly keyring: Keyring;
    readonly machine: Pick<Machine, 'after'>;
  },
  drafts: readonly Draft[],
): Promise<(draft: Draft) => HushError | undefined> {
  const { writerIds, keyring, machine } = context;
  const claims = new Map<Draft, Claim>();
  for (const draft of drafts) {
    if (!draft.writer) continue;
    claims.set(draft, { id: writerHash(keyring, draft.writer), content: contentHash(keyring, draft) });
  }
  if (claims.size === 0) return NO_FAULT;
  try {
    const limitMs = claims.size > 1 ? BATCH_TIMEOUT_MS : undefined;
    const contents = await withTimeout(machine, writerIds.claim([...claims.values()]), limitMs);
    return (draft) => {
      const claim = claims.get(draft);
      return claim && contents.get(claim.id) !== claim.content ? idReused() : undefined;
    };
  } catch (error) {
    throw unavailable(error);
  }
}
