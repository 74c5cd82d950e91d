import type { Logger } from 'pino';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { abortAfter, type Machine } from '../core/machine.js';
import type { Accept } from '../preferences/accept.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Projector } from '../projection/project.js';
import { createScheduler } from '../scheduler.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { BoundDestination, JobState } from './destination.js';
import { UNTIL_RESUMED } from './provider-error.js';
import type { SyncWorker } from './worker.js';

/** Between two sweeps (ms). */
const SWEEP_MS = 2000;
/** Contacts taken at once by a sweep. */
const BATCH_SIZE = 200;
/** Between looks (ms) at what only a crash leaves behind. */
const RARE_MS = 30_000;
const JOB_TIMEOUT_MS = 20_000;
const FORGET_TIMEOUT_MS = 60_000;
/** A job that its provider still works on is asked about again after so long (ms). */
const JOB_RETRY_MS = 5_000;
/** A job that is not done after a day (ms) is not coming back: the batch is sent again. */
const JOB_LOST_MS = DAY_MS;

interface SweepContext {
  readonly contacts: Contacts;
  readonly projector: Projector;
  readonly accept: Pick<Accept, 'finishPersons'>;
  readonly states: DestinationStates;
  readonly destinations: readonly BoundDestination[];
  readonly worker: Pick<SyncWorker, 'work'>;
  readonly privateParts: PrivateParts;
  /** Has the log forget a contact, after its data was destroyed. */
  readonly forget: (contact: Buffer) => Promise<void>;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
}

async function wakeDue({ destinations, contacts, worker, clock }: SweepContext): Promise<void> {
  for (const bound of destinations) {
    // A copy that was lost is found without waiting for something to add to it.
    if (bound.destination.copy || (await contacts.isDue(bound.name, clock.now()))) void worker.work(bound);
  }
}

/** Projects contacts for which time has changed something. */
async function wakeUp({ contacts, projector, clock }: SweepContext, isStopped: () => boolean): Promise<void> {
  for (;;) {
    const keys = await contacts.awake(clock.now(), BATCH_SIZE);
    const unopened = keys.length > 0 ? await projector.project(keys) : 0;
    if (keys.length < BATCH_SIZE || unopened === keys.length || isStopped()) return;
  }
}

/** Has destinations take addresses out of what they keep beside the list in force. Throws when one cannot. */
async function forgetCopies(
  { privateParts, destinations, machine }: SweepContext,
  erasing: Iterable<Contact>,
): Promise<void> {
  const entries = [...erasing].flatMap((contact) => {
    const address = addressOf(privateParts, contact);
    return address ? [{ type: address.type, address: address.given }] : [];
  });
  if (entries.length === 0) return;
  for (const { bindings, destination } of destinations) {
    for (const binding of destination.forget ? bindings : [])
      await destination.forget?.(binding, entries, abortAfter(machine, FORGET_TIMEOUT_MS));
  }
}

async function finishErasures(context: SweepContext): Promise<void> {
  const { contacts } = context;
  const keys = await contacts.erasingKeys(BATCH_SIZE);
  if (keys.length === 0) return;
  await forgetCopies(context, (await contacts.find(keys)).values());
  for (const key of keys) {
    // First the log's salts are asked to go: should this process die in between, the contact is still found here.
    await context.forget(key);
    await contacts.destroyData(key, context.privateParts.newKeySeed());
  }
}

/** Asks how jobs went that a provider had only accepted; what failed is pending again. */
async function pollJobs(context: SweepContext): Promise<void> {
  const { states, destinations, clock, machine } = context;
  for (const { name, destination } of destinations) {
    if (!destination.poll) continue;
    for (const job of await states.dueJobs(name, clock.now())) {
      const state =
        clock.now() - job.at > JOB_LOST_MS
          ? 'failed'
          : await destination.poll(job.job, abortAfter(machine, JOB_TIMEOUT_MS)).catch(() => 'working' as const);
      if (state === 'working') {
        await states.postponeJob(job.id, clock.now() + JOB_RETRY_MS);
        continue;
      }
      await finishJob(context, name, job, state);
      await states.dropJob(job.id);
    }
  }
}

/** Writes down how a job ended, and stops the destination where sending again by ourselves is no use. */
async function finishJob(
  { contacts, states, clock, log }: SweepContext,
  name: string,
  job: { readonly binding: string; readonly contacts: readonly Buffer[] },
  state: Exclude<JobState, 'working'>,
): Promise<void> {
  if (state === 'done') return contacts.confirmSynced(name, job.binding, job.contacts);
  const now = clock.now();
  if (state !== 'failed' && 'incomplete' in state) {
    log.error({ destination: name }, 'the destination did not take a part of what it was sent');
    return states.fault(name, 'incomplete', state.incomplete, now);
  }
  if (state !== 'failed') {
    log.error({ destination: name }, 'the destination refuses what it is sent; what is to be sent waits');
    await states.fault(name, 'credentials', state.stopped, now);
    await states.waitUntil(name, UNTIL_RESUMED);
  }
  await contacts.markPending(name, [job.binding], job.contacts, now);
}

/**
 * Every two seconds: finds what no job was added for, or whose job was lost. Losing every job costs two seconds and nothing else.
 */
export function createSweeper(context: SweepContext & { readonly intervalMs?: number | undefined }) {
  const { contacts, accept, log, machine } = context;
  const loop = createScheduler({ machine, log, everyMs: context.intervalMs ?? SWEEP_MS, tasks: { sweep } });
  let rareAt = 0;

  async function sweep(): Promise<void> {
    const tasks: [string, () => Promise<unknown>][] = [
      ['due', () => wakeDue(context)],
      ['awake', () => wakeUp(context, loop.isStopped)],
      ['persons', accept.finishPersons],
      ['erasures', () => finishErasures(context)],
      ['jobs', () => pollJobs(context)],
    ];
    if (machine.elapsed() - rareAt > RARE_MS) {
      rareAt = machine.elapsed();
      tasks.push(['overflow', () => contacts.adoptOverflow()]);
    }
    for (const [task, run] of tasks) {
      if (loop.isStopped()) return;
      await run().catch((error: unknown) => log.warn({ err: error, task }, 'sweep failed; it comes again'));
    }
  }

  return { once: loop.runOnce, start: loop.start, stop: loop.stop };
}

export type Sweeper = ReturnType<typeof createSweeper>;
