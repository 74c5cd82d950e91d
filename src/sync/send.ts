import { abortAfter } from '../core/machine.js';
import type { Round, SyncContext } from './context.js';
import { type Action, type Binding, ProviderError, type Sent } from './destination.js';
import { UNTIL_RESUMED } from './provider-error.js';
import { withoutProviderOptOuts } from './provider-opt-outs.js';
import { entryOf, needs, type Task } from './task.js';

/** Left of a lease beside a call's deadline, for writing down what became of it. */
const WRITE_BACK_MS = 1000;

/** What is asked for at which list. */
export interface Errand {
  readonly binding: Binding;
  readonly action: Action;
}

/** Sends what one binding needs of one action, in batches of what the provider takes, over several lanes where it allows. */
export async function sendBinding(
  context: SyncContext,
  round: Round,
  errand: Errand,
  tasks: readonly Task[],
): Promise<void> {
  const { lanes = 1, limits } = round.bound.destination;
  const isOpen = (task: Task) => task.outcome === 'synced';
  let group = tasks.filter((task) => isOpen(task) && needs(task, errand.binding, errand.action));
  if (errand.action === 'lift' && group.length > 0) {
    await inHalves(context, round, errand, group, 'query', (part) =>
      withoutProviderOptOuts(context, round.bound, errand.binding, part),
    );
    group = group.filter(isOpen);
  }
  const size = Math.max(1, limits[errand.action]);
  const batches = Array.from({ length: Math.ceil(group.length / size) }, (_, n) =>
    group.slice(n * size, (n + 1) * size),
  );
  const lane = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const open = batch.filter(isOpen);
      if (open.length === 0) continue;
      await inHalves(context, round, errand, open, 'change', (part) => sendBatch(context, round, errand, part));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Whether a call that reached the provider without an answer may have changed something there. */
type CallKind = 'query' | 'change';

/** Makes a call for tasks; a refused batch is halved until the refused address stands alone and is parked. */
async function inHalves(
  context: SyncContext,
  round: Round,
  errand: Errand,
  tasks: readonly Task[],
  kind: CallKind,
  call: (part: readonly Task[]) => Promise<void>,
): Promise<void> {
  const remaining = round.leaseEnd - context.clock.now();
  if (round.halted || remaining < context.times.deadline + WRITE_BACK_MS || context.stopping.aborted) {
    for (const task of tasks) task.outcome = 'held';
    return;
  }
  try {
    await call(tasks);
  } catch (error) {
    if (error instanceof ProviderError) context.onFault(round.bound.name, error.fault);
    if (error instanceof ProviderError && error.fault === 'refused' && tasks.length > 1) {
      const half = Math.ceil(tasks.length / 2);
      await inHalves(context, round, errand, tasks.slice(0, half), kind, call);
      await inHalves(context, round, errand, tasks.slice(half), kind, call);
      return;
    }
    await noteFault(context, round, errand.binding, tasks, kind, error);
  }
}

async function sendBatch(
  context: SyncContext,
  { bound, leaseEnd }: Round,
  errand: Errand,
  tasks: readonly Task[],
): Promise<void> {
  const { clock, machine, times, stopping, states } = context;
  const { binding, action } = errand;
  const within = (ms: number) => AbortSignal.any([abortAfter(machine, ms), stopping]);
  await context.pace(bound, within(leaseEnd - clock.now() - times.deadline));
  const entries = tasks.map((task) => entryOf(task, binding));
  const sent = await bound.destination.send(binding, action, entries, within(times.deadline));
  const at = clock.now();
  noteSent(errand, tasks, sent, at);
  if (sent.job === undefined) return;
  const keys = tasks.map(({ contact }) => contact.key);
  await states.rememberJob(bound.name, sent.job, binding.name, keys, at);
}

/** Notes with each task what the provider took, at `at` (ms), and what it named as unacceptable. */
export function noteSent({ binding, action }: Errand, tasks: readonly Task[], sent: Sent, at: number): void {
  const parked = new Map(sent.parked?.map(({ ref, why }) => [ref, why]));
  for (const task of tasks) {
    const why = parked.get(task.contact.key.toString('hex'));
    if (why !== undefined) {
      task.outcome = 'parked';
      task.why = why;
      continue;
    }
    const event = task.desired.get(binding.name)?.event;
    task.uncertainBindings.delete(binding.name);
    task.synced.set(binding.name, {
      suppressed: action === 'suppress',
      at,
      status: sent.status,
      ...(event ? { event } : {}),
    });
  }
}

/** Notes what a call that failed means for its tasks and for the destination. */
async function noteFault(
  { states, clock, log, times }: SyncContext,
  round: Round,
  binding: Binding,
  tasks: readonly Task[],
  kind: CallKind,
  error: unknown,
): Promise<void> {
  const { name } = round.bound;
  const now = clock.now();
  if (!(error instanceof ProviderError)) {
    log.error({ err: error, destination: name }, 'adapter failed unexpectedly');
    markUnknown(tasks, binding, kind);
    await states.fault(name, 'bug', 'the adapter failed; see the log', now);
    return;
  }
  switch (error.fault) {
    case 'refused':
      for (const task of tasks) {
        task.outcome = 'parked';
        task.why = error.message;
      }
      return;
    case 'rate_limited':
      await states.waitUntil(name, now + (error.retryAfter ?? 1) * 1000);
      halt(round, tasks);
      return;
    case 'credentials':
      await states.fault(name, 'credentials', error.message, now);
      await states.waitUntil(name, error.untilResumed ? UNTIL_RESUMED : now + times.credentialPause);
      log.error({ destination: name }, 'the destination refuses our credentials; what is to be sent waits');
      halt(round, tasks);
      return;
    case 'unavailable':
      await states.fault(name, 'unavailable', error.message, now);
      markUnknown(tasks, binding, kind, error.retryAfter);
  }
}

/** The outcome of a call was not learned. `retryAfter`: seconds, where the provider said. */
function markUnknown(tasks: readonly Task[], binding: Binding, kind: CallKind, retryAfter?: number): void {
  for (const task of tasks) {
    task.outcome = 'unknown';
    if (kind === 'change') task.uncertainBindings.add(binding.name);
    if (retryAfter !== undefined) task.wait = retryAfter * 1000;
  }
}

function halt(round: Round, tasks: readonly Task[]): void {
  round.halted = true;
  for (const task of tasks) task.outcome = 'held';
}
