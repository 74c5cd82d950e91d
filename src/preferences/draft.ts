import type { AliasGroupOf } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint, ContactType } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import type { ContactEvent } from '../core/event.js';
import { type ContactKey, contactKeyBytes, contactKeyText, type EventId, eventId, type Keyring } from '../core/keys.js';
import type { Append, StoredEvent } from '../store/contacts.js';
import { EVIDENCE_LIMIT, type PrivatePart, type PrivateParts } from './private-part.js';

/** Whom an event is about: an address, or a contact known by its key only. */
export type Subject = { readonly point: ContactPoint } | { readonly key: Buffer; readonly type: ContactType };

/** An event on its way in: what we add ourselves is not there yet. */
export interface Draft extends Omit<ContactEvent, 'id' | 'recorded' | 'at'> {
  readonly subject: Subject;
  /** ms; now, when absent. */
  readonly at?: number | undefined;
  /** The writer's own id, for its retries. */
  readonly writer?: { readonly name: string; readonly id: string };
  readonly reach?: 'person';
  readonly link?: { readonly brand: string; readonly campaign?: string };
  readonly notice?: { readonly id: string; readonly version: string };
  readonly actor?: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

export interface Accepted {
  readonly id: EventId;
  readonly contact: ContactKey;
  readonly at: number;
}

/** The clock of a machine that sends events may be ahead of ours by so much. */
const MAX_AHEAD_MS = 5 * 60_000;

export function subjectKey(keyring: Keyring, subject: Subject): Buffer {
  return 'point' in subject ? contactKeyBytes(keyring, subject.point) : subject.key;
}

/**
 * Checks what needs no store, so that an event which is refused leaves nothing behind.
 *
 * @throws HushError('invalid')
 */
export function checkDraft({ at, evidence, type }: Draft, now: number): void {
  const isGrant = type === 'opted_in' || type === 'consent_granted';
  if (at !== undefined && !isGrant && at > now + MAX_AHEAD_MS) {
    throw new HushError('invalid', 'at lies more than 5 minutes in the future', {
      field: 'at',
      remedy: 'send the time at which it happened; check the sending machine’s clock',
    });
  }
  if (evidence !== undefined && Buffer.byteLength(JSON.stringify(evidence)) > EVIDENCE_LIMIT) {
    throw new HushError('invalid', 'evidence is larger than 1 kB', {
      field: 'source.evidence',
      remedy: 'keep the document elsewhere and give its reference',
    });
  }
}

/** A draft as it is stored: what is personal in it is sealed. */
export function storedEvent(
  { privateParts, clock }: { readonly privateParts: Pick<PrivateParts, 'sealPending'>; readonly clock: Clock },
  draft: Draft,
  { key, id, at }: { readonly key: Buffer; readonly id: EventId; readonly at: number },
): StoredEvent {
  const { subject, writer, actor, evidence, at: _at, ...fields } = draft;
  const part: PrivatePart = {
    ...('point' in subject ? { address: { type: subject.point.type, given: subject.point.given } } : {}),
    ...(actor === undefined ? {} : { actor }),
    ...(evidence === undefined ? {} : { evidence }),
    ...(writer ? { writerId: writer.id } : {}),
  };
  return {
    ...fields,
    id,
    at,
    recorded: clock.recorded(),
    ...(Object.keys(part).length > 0 ? { sealed: privateParts.sealPending(key, part) } : {}),
  };
}

export interface NewContactParts {
  readonly aliasGroupOf: AliasGroupOf;
  readonly privateParts: Pick<PrivateParts, 'newKeySeed'>;
}

/** What a contact that is new is stored with. */
export function newContact(
  { aliasGroupOf, privateParts }: NewContactParts,
  subject: Subject,
  key: Buffer,
): Omit<Append, 'event'> {
  const keySeed = privateParts.newKeySeed();
  if (!('point' in subject)) return { key, type: subject.type, keySeed };
  const { type, country } = subject.point;
  const aliasGroup = aliasGroupOf(subject.point)?.id;
  return { key, type, keySeed, ...(country ? { country } : {}), ...(aliasGroup ? { aliasGroup } : {}) };
}

/** What a draft is appended as, and what its acknowledgement says. */
export function appendOf(
  context: NewContactParts & {
    readonly keyring: Keyring;
    readonly privateParts: Pick<PrivateParts, 'newKeySeed' | 'sealPending'>;
    readonly clock: Clock;
  },
  draft: Draft,
): { readonly item: Append; readonly accepted: Accepted } {
  const { keyring, clock } = context;
  const key = subjectKey(keyring, draft.subject);
  const id = eventId(keyring, key, draft.writer);
  // What is acknowledged is in force: a clock ahead of ours does not put it off.
  const now = clock.now();
  const at = Math.min(draft.at ?? now, now);
  const event = storedEvent(context, draft, { key, id, at });
  return {
    item: { ...newContact(context, draft.subject, key), event },
    accepted: { id, contact: contactKeyText(key), at },
  };
}
