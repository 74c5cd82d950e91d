import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import { backoff } from '../core/backoff.js';
import { DAY_MS, utcDay } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import type { Keyring } from '../core/keys.js';
import { leaseOwner, type Machine } from '../core/machine.js';
import { type Cipher, createCipher, MissingKeyError } from '../core/seal.js';
import { oneAtATime } from '../one-at-a-time.js';
import { createScheduler } from '../scheduler.js';
import { BATCH_TIMEOUT_MS, unavailable, withTimeout } from '../store/connect.js';
import type { LeasedMail, OutboxStore } from '../store/outbox.js';
import type { ComposedMail, Composer, MailRequest } from './compose.js';
import { recipientKey } from './forget.js';
import { MailFault, type MailTransport, SEND_MS } from './transport.js';

/** A mail to be sent once, sooner or later. */
export interface OutgoingMail extends MailRequest {
  /** The same act gives the same id: a second one is `known` and does nothing, for seven days. No address in it. */
  readonly id: string;
  /** At most so many mails under this key and UTC day. The key may be an address: only its keyed hash is kept. */
  readonly quota?: { readonly key: string; readonly perDay: number };
  /** ms; after this the mail would be of no use, such as a link that has ended, and is not sent. */
  readonly until?: number;
}

export type Enqueued = 'queued' | 'over_quota' | 'known';

/** Longer than a send may last, so that a mail is never with two senders while both are alive. */
const LEASE_MS = SEND_MS + 30_000;
/** After three days nobody waits for the mail any more; mail servers give up after four or five (RFC 5321 §4.5.4.1). */
const GIVE_UP_MS = 3 * DAY_MS;
/** A process that lacks the mail's key leaves it to another for so long. */
const KEY_MISSING_MS = 5_000;
const RETRIES = { firstMs: 30_000, maxMs: 4 * 3_600_000, jitter: 0.5 };
/** As many as the transport has connections. */
const LANES = 5;

/** Doubling from half a minute to four hours, of which a random half is taken off so that retries spread. */
export const retryDelay = (attempts: number, random: () => number): number => backoff(attempts, RETRIES, random);

const payload = z.object({
  to: z.string(),
  values: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  headers: z.record(z.string(), z.string()),
  until: z.number().optional(),
  written: z.object({ subject: z.string(), html: z.string(), text: z.string() }).optional(),
  encrypted: z.string().optional(),
});

interface OutboxParts {
  readonly store: OutboxStore;
  readonly composer: Composer;
  readonly transport: MailTransport;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Logger;
  /** Called for a mail that this process does not send itself. */
  readonly onQueued?: () => void;
  /** ms between looks for mail that is due: retries, and what other processes left. */
  readonly pollMs?: number;
}

interface OutboxContext extends OutboxParts {
  readonly sealer: Cipher;
  readonly polls: ReturnType<typeof createScheduler>;
  /** Resolves when no mail is due that was kept before the call. */
  readonly send: () => Promise<void>;
  readonly state: {
    stopped: boolean;
    started: boolean;
  };
}

function mailContext(id: string) {
  return Buffer.from(id, 'utf8');
}

function dateOf(context: OutboxContext, ms = context.clock.now()) {
  return new Date(ms);
}

function quotaKey(context: OutboxContext, key: string): string {
  return createHmac('sha256', context.keyring.lookup).update(`mail-quota:${key}`).digest('base64url').slice(0, 22);
}

/** Undefined when it does not open, or is not what `enqueue` sealed. */
function openPayload(context: OutboxContext, mail: LeasedMail) {
  const plain = context.sealer.open(mail.sealed, mailContext(mail.id));
  return plain && payload.safeParse(JSON.parse(plain.toString('utf8'))).data;
}

async function park(context: OutboxContext, mail: LeasedMail, reason: string): Promise<void> {
  await context.store.park(mail, dateOf(context), reason);
  context.log.warn({ mail: mail.id, template: mail.template, reason, attempts: mail.attempts }, 'mail parked');
}

/** False when the server takes no mail at all right now. */
async function deliver(context: OutboxContext, mail: LeasedMail): Promise<boolean> {
  const { store, clock, log, composer, transport, machine } = context;
  let opened: ReturnType<typeof openPayload>;
  try {
    opened = openPayload(context, mail);
  } catch (error) {
    if (!(error instanceof MissingKeyError)) throw error;
    // A process with the whole key ring sends it.
    await store.retry(mail, dateOf(context, clock.now() + KEY_MISSING_MS), 'key_missing');
    log.error({ mail: mail.id, keyId: error.keyId }, 'a mail is sealed under a root key that this process lacks');
    return true;
  }
  if (!opened) {
    await park(context, mail, 'seal_broken');
    return true;
  }
  if (opened.until !== undefined && clock.now() >= opened.until) {
    await park(context, mail, 'too_late');
    return true;
  }
  let composed: ComposedMail;
  try {
    composed = composer.compose({
      id: mail.id,
      template: mail.template,
      language: mail.language,
      brand: mail.brand,
      to: opened.to,
      values: opened.values,
      headers: opened.headers,
      ...(opened.written ? { written: opened.written } : {}),
      ...(opened.encrypted === undefined ? {} : { encrypted: opened.encrypted }),
    });
  } catch {
    // It could be written when it was queued: since then a template or a brand has gone. The error may quote values.
    await park(context, mail, 'cannot_compose');
    return true;
  }
  try {
    await transport.send(composed);
  } catch (error) {
    const fault = error instanceof MailFault ? error : new MailFault('away', 'unknown');
    if (fault.kind === 'refused') {
      await park(context, mail, fault.code);
      return true;
    }
    const due = clock.now() + retryDelay(mail.attempts, machine.random);
    if (due > mail.created.getTime() + GIVE_UP_MS) {
      await park(context, mail, `gave_up_${fault.code}`);
    } else {
      await store.retry(mail, dateOf(context, due), fault.code);
      log.warn(
        { mail: mail.id, template: mail.template, reason: fault.code, attempts: mail.attempts },
        'mail not taken yet',
      );
    }
    return fault.kind !== 'away';
  }
  const ours = await store.sent(mail, dateOf(context));
  log.info(
    { mail: mail.id, template: mail.template, attempts: mail.attempts, ...(ours ? {} : { leaseLost: true }) },
    'mail sent',
  );
  return true;
}

/** One mail after the other until none is due. A server that is away ends the lane: the next poll tries again. */
async function lane(context: OutboxContext): Promise<void> {
  while (!context.state.stopped) {
    const now = context.clock.now();
    const mail = await context.store.take(
      leaseOwner(context.machine),
      dateOf(context, now),
      dateOf(context, now + LEASE_MS),
    );
    if (!mail || !(await deliver(context, mail))) return;
  }
}

/** Sends what is due, in LANES at once. */
async function sendDue(context: OutboxContext): Promise<void> {
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, () => lane(context)));
  for (const result of lanes) {
    // What was taken stays under its lease and is due again when that ends.
    if (result.status === 'rejected') context.log.error({ err: result.reason }, 'outbox round failed');
  }
}

/**
 * Keeps a mail; it will be sent, though the process die now. `over_quota` and `known` mean that nothing was added.
 * Throws HushError: `invalid` for what the composer refuses, `unavailable` when the store cannot be reached.
 */
async function enqueue(context: OutboxContext, mail: OutgoingMail): Promise<Enqueued> {
  const { composer, sealer, store, keyring } = context;
  const { id, template, language, brand, to, values, headers = {}, quota, until, written, encrypted } = mail;
  if (id === '' || id.length > 200 || id.includes('@')) {
    throw new HushError('invalid', 'the id of a mail has 1 to 200 letters and no address', { field: 'id' });
  }
  composer.compose(mail);
  const content = { to, values, headers, until, written, encrypted };
  const sealed = sealer.seal(Buffer.from(JSON.stringify(content), 'utf8'), mailContext(id));
  const created = dateOf(context);
  async function keep(): Promise<Enqueued> {
    if (await store.knows(id)) return 'known';
    const day = utcDay(created.getTime());
    if (quota && !(await store.takeSlot(quotaKey(context, quota.key), day, quota.perDay, id, created)))
      return 'over_quota';
    return (await store.insert({
      id,
      contact: recipientKey(keyring, to),
      template,
      language,
      brand,
      sealed,
      created,
    }))
      ? 'queued'
      : 'known';
  }
  let result: Enqueued;
  try {
    result = await withTimeout(context.machine, keep(), BATCH_TIMEOUT_MS);
  } catch (error) {
    throw unavailable(error);
  }
  if (result === 'queued') {
    if (context.state.started) void context.send();
    else context.onQueued?.();
  }
  return result;
}

/** Begins to send, now and whenever mail is due. Without it a process only enqueues. */
function start(context: OutboxContext): void {
  if (context.state.started || context.state.stopped) return;
  context.state.started = true;
  context.polls.start();
}

/** Takes no further mail and resolves when those in flight are settled. The transport stays open. */
async function stop(context: OutboxContext): Promise<void> {
  context.state.stopped = true;
  await context.polls.stop();
  // After the run under way, this one takes nothing.
  await context.send();
}

/**
 * The durable outbox: a mail is kept, sealed, before its writer hears that it will go, and sent by whichever process
 * takes it first. At least once: a sender that dies after the mail server took a mail sends it again, with the same
 * Message-ID.
 */
export function createOutbox(parts: OutboxParts) {
  const sealer = createCipher(parts.keyring, 'outbox');
  const send = oneAtATime(() => sendDue(context));
  const polls = createScheduler({
    machine: parts.machine,
    log: parts.log,
    everyMs: parts.pollMs ?? 2000,
    tasks: { 'looking for mail': send },
  });
  const state: OutboxContext['state'] = { stopped: false, started: false };
  const context: OutboxContext = { ...parts, sealer, send, polls, state };
  return {
    enqueue: (mail: OutgoingMail) => enqueue(context, mail),
    start: () => start(context),
    /** Resolves when no mail is due that was kept before; mails that failed wait for their next time. */
    settle: send,
    stop: () => stop(context),
  };
}

export type Outbox = ReturnType<typeof createOutbox>;
