import { createHash } from 'node:crypto';
import { z } from 'zod';
import { encodeBase32 } from '../core/base32.js';
import type { Clock } from '../core/clock.js';
import { type ContactPoint, maskContact, normaliseContact } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import type { Keyring } from '../core/keys.js';
import { ALL_MARKETING } from '../core/scope.js';
import { type Cipher, createCipher } from '../core/seal.js';
import type { Accept } from '../preferences/accept.js';
import { acceptEach } from '../preferences/accept-each.js';
import type { Accepted, Draft, Subject } from '../preferences/draft.js';
import { unavailable } from '../store/connect.js';
import type { InboundReviewStore, ReviewLine } from '../store/inbound-review.js';
import { truncatedEvidence } from './evidence.js';
import { stopScopes } from './sms/stop.js';

/** `message` and `text`: words of a person that no rule could read, by mail and by text message. */
export const REVIEW_KINDS = ['hard', 'complaint', 'opt_out', 'message', 'text'] as const;
export type ReviewKind = (typeof REVIEW_KINDS)[number];

/** More waiting than this of one kind is a flood, not work for people: the rest is refused and counted. */
const MAX_WAITING = 5000;
const MAX_FACT_LENGTH = 1000;

const factsSchema = z.object({
  address: z.string(),
  type: z.enum(['email', 'phone']),
  tokenOf: z.string().optional(),
  facts: z.record(z.string(), z.string()),
});

export interface ReviewFacts {
  readonly kind: ReviewKind;
  readonly point: ContactPoint;
  readonly key: Buffer;
  /** Makes it one entry however often the message comes. */
  readonly identity: string;
  readonly why: string;
  readonly reason?: string | undefined;
  readonly status?: string | undefined;
  readonly via: string;
  /** Whom a genuine token in the message names instead of the reported address. */
  readonly tokenOf?: Buffer | undefined;
  /** What a person needs to decide: subject, diagnosis, the words. Sealed. */
  readonly facts: Readonly<Record<string, string | undefined>>;
}

/** What a person sees who opens an entry. Showing it is a view of a person, to be logged by whoever shows it. */
export interface ReviewDetail extends ReviewLine {
  readonly address?: string;
  readonly facts: Readonly<Record<string, string>>;
  /** A genuine token in the message names another contact than its words: usually forwarded mail. */
  readonly tokenNamesAnother: boolean;
}

interface InboundReviewParts {
  readonly store: InboundReviewStore;
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly country: string;
}

interface InboundReviewContext extends InboundReviewParts {
  readonly sealer: Cipher;
}

async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unavailable(error);
  }
}

async function findEntry(context: InboundReviewContext, id: string) {
  const found = /^[0-9a-z]{26}$/.test(id) ? await orUnavailable(context.store.get(id)) : undefined;
  if (!found) {
    throw new HushError('not_found', 'nothing waits for review under this id', {
      remedy: 'it may have expired after 90 days; list what waits',
    });
  }
  const plain = found.sealed && context.sealer.open(found.sealed, Buffer.from(id));
  const opened = plain && factsSchema.parse(JSON.parse(plain.toString('utf8')));
  return { line: found.line, opened };
}

function draftsOf(kind: ReviewKind, subject: Subject): Omit<Draft, 'source'>[] {
  switch (kind) {
    case 'hard':
      return [{ subject, type: 'bounced', kind: 'hard' }];
    case 'complaint':
      return [{ subject, type: 'complained' }];
    case 'opt_out':
    case 'message':
      return [{ subject, type: 'opted_out', scope: ALL_MARKETING }];
    case 'text':
      return stopScopes().map((scope) => ({ subject, type: 'opted_out', scope }));
  }
}

/** Holds one report. `known` when it waits or was decided already, `full` in a flood. */
async function hold(
  context: InboundReviewContext,
  item: ReviewFacts,
): Promise<{ readonly id: string; readonly outcome: 'held' | 'known' | 'full' }> {
  const { store, sealer, clock } = context;
  const digest = createHash('sha256')
    .update(`${item.kind}\n${item.key.toString('hex')}\n${item.identity}`)
    .digest();
  const id = encodeBase32(digest.subarray(0, 16)).toLowerCase();
  if ((await orUnavailable(store.waiting(item.kind, MAX_WAITING))) >= MAX_WAITING) return { id, outcome: 'full' };
  const facts = Object.fromEntries(
    Object.entries(item.facts).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value.slice(0, MAX_FACT_LENGTH)]],
    ),
  );
  const sealed = sealer.seal(
    Buffer.from(
      JSON.stringify({
        address: item.point.given,
        type: item.point.type,
        ...(item.tokenOf ? { tokenOf: item.tokenOf.toString('hex') } : {}),
        facts,
      }),
    ),
    Buffer.from(id),
  );
  const inserted = await orUnavailable(
    store.insert({
      id,
      kind: item.kind,
      contact: item.key,
      masked: maskContact(item.point),
      why: item.why,
      via: item.via,
      receivedAt: new Date(clock.now()),
      sealed,
      ...(item.reason === undefined ? {} : { reason: item.reason }),
      ...(item.status === undefined ? {} : { status: item.status }),
    }),
  );
  return { id, outcome: inserted ? 'held' : 'known' };
}

/** What waits, newest first, with masked addresses. */
function list(
  context: InboundReviewContext,
  options: { readonly kind?: ReviewKind; readonly before?: Date; readonly limit?: number } = {},
) {
  return orUnavailable(context.store.list({ ...options, limit: Math.min(options.limit ?? 100, 500) }));
}

/** One entry with what it says. Throws HushError `not_found`. */
async function open(context: InboundReviewContext, id: string): Promise<ReviewDetail> {
  const { line, opened } = await findEntry(context, id);
  return {
    ...line,
    facts: opened?.facts ?? {},
    tokenNamesAnother: opened?.tokenOf !== undefined,
    ...(opened ? { address: opened.address } : {}),
  };
}

/**
 * Records what an entry says, on a person's word. `about: 'token'` records it for the contact that our own token names.
 * To be repeated until it succeeds. Throws HushError: `not_found`; `conflict` when it was decided already.
 */
async function confirm(
  context: InboundReviewContext,
  id: string,
  by: { readonly actor: string; readonly about?: 'address' | 'token' },
): Promise<readonly Accepted[]> {
  const { country, store, clock, accept } = context;
  const { line, opened } = await findEntry(context, id);
  // Facts are there until it was dismissed, or confirmed and recorded.
  if (!opened) {
    throw new HushError('conflict', `this was ${line.outcome ?? 'decided'} already`, {
      remedy: line.outcome === 'confirmed' ? 'its receipts are with the entry' : 'record an opt-out by hand instead',
    });
  }
  const kind = REVIEW_KINDS.find((name) => name === line.kind) ?? 'message';
  const another = by.about === 'token' ? opened.tokenOf : undefined;
  if (by.about === 'token' && another === undefined) {
    throw new HushError('invalid', 'no token of ours is in this message', {
      field: 'about',
      remedy: 'confirm it for the address it names',
    });
  }
  const subject: Subject =
    another === undefined
      ? {
          point: normaliseContact(
            opened.type === 'phone' ? { phone: opened.address } : { email: opened.address },
            country,
          ),
        }
      : { key: Buffer.from(another, 'hex'), type: 'email' };
  // Decided before it is recorded, so that nobody dismisses what another is recording; a crash in between is
  // finished by confirming again.
  if (line.waiting && !(await orUnavailable(store.decide(id, 'confirmed', by.actor, new Date(clock.now()))))) {
    return confirm(context, id, by);
  }
  const accepted = await acceptEach(
    accept,
    draftsOf(kind, subject).map((draft, index) => ({
      ...draft,
      source: { kind: 'staff' },
      actor: line.decidedBy ?? by.actor,
      writer: { name: 'inbound-review', id: `${id}:${index}` },
      evidence: truncatedEvidence({ review: id, ...opened.facts }),
    })),
  );
  await orUnavailable(
    store.recorded(
      id,
      accepted.map((event) => event.id),
    ),
  );
  return accepted;
}

/** Takes an entry off the list for good; the same message will not come back. Throws HushError. */
async function dismiss(context: InboundReviewContext, id: string, by: { readonly actor: string }): Promise<void> {
  const { line } = await findEntry(context, id);
  if (line.outcome === 'dismissed') return;
  if (
    !line.waiting ||
    !(await orUnavailable(context.store.decide(id, 'dismissed', by.actor, new Date(context.clock.now()))))
  ) {
    throw new HushError('conflict', 'this was confirmed already', {
      remedy: 'a confirmed report is undone by recording the opposite',
    });
  }
}

function forget(context: InboundReviewContext, contact: Buffer) {
  return orUnavailable(context.store.forget(contact));
}

/** Reports without proof: held, looked at, confirmed or dismissed. */
export function createInboundReview(parts: InboundReviewParts) {
  const sealer = createCipher(parts.keyring, 'review');
  const context: InboundReviewContext = { ...parts, sealer };
  return {
    hold: (item: ReviewFacts) => hold(context, item),
    list: (options?: { readonly kind?: ReviewKind; readonly before?: Date; readonly limit?: number }) =>
      list(context, options),
    open: (id: string) => open(context, id),
    confirm: (id: string, by: { readonly actor: string; readonly about?: 'address' | 'token' }) =>
      confirm(context, id, by),
    dismiss: (id: string, by: { readonly actor: string }) => dismiss(context, id, by),
    forget: (contact: Buffer) => forget(context, contact),
  };
}

export type InboundReview = ReturnType<typeof createInboundReview>;
