import type { Logger } from 'pino';
import { addMonths } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Keyring } from '../../core/keys.js';
import type { Machine } from '../../core/machine.js';
import type { Policy } from '../../core/policy.js';
import { needsVerification } from '../../core/request.js';
import { type Alert, calendarDay, dueAlerts, dueOf, purgeAt } from '../../core/request-clock.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import { createScheduler } from '../../scheduler.js';
import type { Leader } from '../../store/leader.js';
import type { RequestFiles } from '../../store/request-files.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { AccessPackages } from '../access/port.js';
import type { PostLetters } from '../letters/post-letters.js';
import { clockedOf } from './answers.js';
import type { Erasures } from './erasure.js';
import type { Intake } from './intake.js';
import { requestNames } from './names.js';
import type { RequestSeal } from './personal.js';
import { type Records, SYSTEM } from './records.js';
import { referenceOf } from './reference.js';

const PAGE = 200;
/** Between rounds (ms). A deadline is a day: a minute is soon enough, and an erasure is closed while one still looks. */
const CHECK_EVERY_MS = 5000;
/** A request that was cut off at its receipt is taken up again after so long (ms). */
const CUT_OFF = 30_000;
/** Between looks (ms) for records whose time is over. */
const PURGE_EVERY = 3_600_000;

const ALERT_WORDS: Readonly<Record<Alert['kind'], (alert: Alert) => string>> = {
  nearing: ({ day }) => `day ${day}, not answered yet`,
  late: () => 'late: its deadline has passed',
  acknowledgement_nearing: () => 'receipt is to be acknowledged today',
  acknowledgement_late: () => 'late: its receipt was not acknowledged in time',
};

interface WatchParts {
  readonly store: RequestStore;
  readonly seal: Pick<RequestSeal, 'personal'>;
  readonly keyring: Pick<Keyring, 'lookup'>;
  readonly files: RequestFiles;
  readonly records: Records;
  readonly intake: Intake;
  readonly post: PostLetters;
  readonly erasures: Erasures;
  readonly packages: AccessPackages;
  /** Letters of a purged request go with it. */
  readonly purgeLetters: (request: string) => Promise<void>;
  readonly mail: Post;
  readonly leader: Leader;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly publicUrl: () => string;
  readonly log: Logger;
  readonly onAlert: (kind: Alert['kind']) => void;
}

interface WatchContext extends WatchParts {
  readonly loop: ReturnType<typeof createScheduler>;
  readonly state: {
    purgedAt: number;
    allNamed: boolean;
  };
}

function dateInWords(time: number): string {
  return new Intl.DateTimeFormat('en-US', { dateStyle: 'long', timeZone: 'UTC' }).format(time);
}

/** Sends the mail first, under an id that makes it one however often, and then records the alert: none is recorded unsent. */
async function raise(context: WatchContext, record: RequestRecord, alert: Alert): Promise<void> {
  const { catalog, policy, records, store, log } = context;
  const what = ALERT_WORDS[alert.kind](alert);
  await context.mail({
    id: `request-alert:${record.id}:${alert.id}`,
    template: 'request-alert',
    language: 'en',
    brand: record.brand,
    to: catalog.group.privacyAddress,
    values: () => ({
      reference: referenceOf(record.id),
      what,
      due: dateInWords(calendarDay(policy, record.jurisdiction, record.due.getTime())),
      link: `${context.publicUrl()}/staff/requests/${record.id}`,
    }),
  });
  const entry = records.entry(record, SYSTEM, { what: 'alert', facts: { alert: alert.id, kind: alert.kind } });
  if (!(await store.raise(record.id, alert.id, entry))) return;
  context.onAlert(alert.kind);
  log.warn(
    { request: record.id, alert: alert.id, kind: alert.kind, due: record.due.toISOString() },
    'a rights request needs somebody',
  );
}

/** The deadline that stands in the record follows the policy; a change of it is written down. */
async function updateDue(context: WatchContext, record: RequestRecord): Promise<RequestRecord> {
  const due = dueOf(context.policy, clockedOf(record));
  if (due === record.due.getTime()) return record;
  return context.records.change(
    record,
    SYSTEM,
    { due: new Date(due), ...(record.extendedAt ? {} : { firstDue: new Date(due) }) },
    { what: 'clock', facts: { from: record.due.toISOString(), to: new Date(due).toISOString() } },
  );
}

async function completeRequest(context: WatchContext, record: RequestRecord): Promise<void> {
  const { post, records } = context;
  const letters = post.reaches(record, 'fulfilment') ? [{ kind: 'fulfilment' }] : [];
  await post.flush(await records.act(record, 'complete', SYSTEM, {}, {}, letters));
}

async function lookAt(context: WatchContext, listed: RequestRecord): Promise<void> {
  const { policy, clock, records } = context;
  let record = await updateDue(context, listed);
  const raised = new Set(record.alerts.map(({ id }) => id));
  for (const alert of dueAlerts(policy, clockedOf(record), raised, clock.now())) await raise(context, record, alert);
  if (record.state === 'received' && clock.now() - record.receivedAt.getTime() > CUT_OFF) {
    record = await records.get(record.id);
    if (!needsVerification(record.kind) || !context.intake.hasBegun(record))
      record = await context.intake.begin(record);
  }
  if (record.state !== 'fulfilling') return;
  record = await records.get(record.id);
  if (!needsVerification(record.kind)) {
    // Cut off between in force and closed.
    await completeRequest(context, record);
  } else if (record.kind === 'deletion') {
    await context.erasures.settle(record);
  } else if (record.kind === 'access' && record.package !== undefined) {
    const status = await context.packages.status(record.package);
    if (status?.state === 'delivered') {
      await completeRequest(context, record);
    }
  } else if (record.kind !== 'access') {
    await completeRequest(context, record);
  }
}

/** Requests of before names could be searched for: a page a round, until none is left. */
async function nameOldRequests(context: WatchContext): Promise<void> {
  if (context.state.allNamed) return;
  const page = await context.store.unnamed(PAGE);
  for (const record of page) {
    const personal = context.seal.personal(record);
    await context.store.name(record.id, requestNames(context.keyring, [personal?.name, personal?.agent?.name]));
  }
  context.state.allNamed = page.length < PAGE;
}

async function lookAtAll(context: WatchContext): Promise<void> {
  const { loop, store, log, leader } = context;
  for (let after = ''; !loop.isStopped(); ) {
    const page = await store.open(after, PAGE);
    for (const record of page) {
      await lookAt(context, record).catch((error: unknown) => {
        // Somebody works on it: the next round sees what came of it.
        if (error instanceof HushError && error.kind === 'conflict') return;
        log.warn({ err: error, request: record.id }, 'watching a request failed; it comes again');
      });
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.id;
    if (!(await leader.hold())) return;
  }
}

async function sendLetters(context: WatchContext): Promise<void> {
  const { store, clock, post } = context;
  // Whoever wrote a letter sends it at once: what is older was cut off.
  for (const record of await store.unsent(new Date(clock.now() - CUT_OFF), PAGE)) await post.flushQuietly(record);
}

async function purgeOld(context: WatchContext): Promise<void> {
  const { clock, store, policy, loop, log } = context;
  if (context.machine.elapsed() - context.state.purgedAt < PURGE_EVERY) return;
  const now = clock.now();
  let count = 0;
  for (;;) {
    const page = await store.closedBefore(new Date(addMonths(now, -policy.requestRecordMonths)), PAGE);
    const over = page.filter(({ closedAt }) => closedAt && purgeAt(policy, closedAt.getTime()) <= now);
    for (const record of over) {
      // Files and letters first: should this end here, the record is still found.
      await context.files.removeAll(record.id);
      await context.purgeLetters(record.id);
      if (await store.purge(record)) count++;
    }
    if (over.length === 0 || loop.isStopped()) break;
  }
  context.state.purgedAt = context.machine.elapsed();
  if (count > 0) log.info({ count }, 'records of requests were purged: their time is over');
}

async function round(context: WatchContext): Promise<void> {
  const { leader, loop, log } = context;
  if (!(await leader.hold())) return;
  for (const [task, run] of [
    ['look', () => lookAtAll(context)],
    ['letters', () => sendLetters(context)],
    ['names', () => nameOldRequests(context)],
    ['purge', () => purgeOld(context)],
  ] as const) {
    if (loop.isStopped()) return;
    await run().catch((error: unknown) => log.warn({ err: error, task }, 'watching requests failed; it comes again'));
  }
}

/** Also what the next hour would do. */
async function everything(context: WatchContext): Promise<void> {
  context.state.purgedAt = Number.NEGATIVE_INFINITY;
  await context.loop.runOnce();
}

/**
 * Watches the requests, one process at a time: raises what is due, goes on with what was cut off, closes what is done and
 * purges what has had its time. Every step may be done twice, so that no stop, however long, loses one.
 */
export function createWatch(parts: WatchParts) {
  const loop = createScheduler({
    machine: parts.machine,
    log: parts.log,
    everyMs: CHECK_EVERY_MS,
    leader: parts.leader,
    tasks: { 'watching requests': () => round(context) },
  });
  const state: WatchContext['state'] = { purgedAt: Number.NEGATIVE_INFINITY, allNamed: false };
  const context: WatchContext = { ...parts, loop, state };
  return {
    once: loop.runOnce,
    start: loop.start,
    everything: () => everything(context),
    stop: loop.stop,
  };
}

export type Watch = ReturnType<typeof createWatch>;
