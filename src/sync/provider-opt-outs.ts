import { stateOf } from '../core/contact-state.js';
import { allowedDespite, type ScopedBinding } from '../core/desired.js';
import { abortAfter } from '../core/machine.js';
import type { Draft, Subject } from '../preferences/draft.js';
import type { SyncContext } from './context.js';
import type { Binding, BoundDestination, ReadBackEntry } from './destination.js';
import { isOurEntry } from './entry-origin.js';
import { providerContactKey } from './provider-address.js';
import { mayHaveSuppressed, type Task } from './task.js';

/**
 * An entry at a provider that we did not make, as an opt-out through that destination.
 *
 * @param found.at ms; the provider's own time where it has one
 * @param found.occurrence tells two entries for one contact apart: the same one found again is no new event
 */
export function providerOptOut(
  destination: string,
  binding: ScopedBinding,
  entry: ReadBackEntry,
  found: {
    readonly subject: Subject;
    readonly key: Buffer;
    readonly at: number;
    readonly occurrence: number | string;
    readonly evidence?: Readonly<Record<string, string>>;
  },
): Draft {
  return {
    subject: found.subject,
    type: 'opted_out',
    scope: binding.scope,
    at: found.at,
    source: { kind: 'reconciliation', destination },
    writer: {
      name: `reconciliation:${destination}`,
      id: `${binding.name}:${found.key.toString('hex')}:${found.occurrence}`,
    },
    evidence: { found: entry.kind, binding: binding.name, ...found.evidence },
  };
}

/** Whether an entry that is found at a provider before a lift is one we put there. */
function isOurs(destination: string, binding: Binding, task: Task, entry: ReadBackEntry): boolean {
  const synced = task.contact.synced[destination];
  return isOurEntry(
    entry,
    synced?.bindings[binding.name],
    synced?.liftedAt,
    task.uncertainBindings.has(binding.name) || mayHaveSuppressed(task, binding),
  );
}

/**
 * Before a lift: what the provider has that we did not put there is an opt-out of its own, and stays. Its tasks are held,
 * unless the person said yes after it.
 */
export async function withoutProviderOptOuts(
  context: SyncContext,
  { name, destination }: BoundDestination,
  binding: Binding,
  tasks: readonly Task[],
): Promise<void> {
  if (!destination.lookup) return;
  const { accept, keyring, country, policy, clock, machine, times, stopping } = context;
  const addresses = tasks.map(({ address }) => address);
  const signal = AbortSignal.any([abortAfter(machine, times.deadline), stopping]);
  const found = await destination.lookup(binding, addresses, signal);
  const byKey = new Map(
    found.map((entry) => [providerContactKey(keyring, country, entry) ?? entry.address.toLowerCase(), entry]),
  );
  for (const task of tasks) {
    const { key, type, country: jurisdiction } = task.contact;
    const entry = byKey.get(key.toString('hex')) ?? byKey.get(task.address.toLowerCase());
    if (!entry || isOurs(name, binding, task, entry)) continue;
    const now = clock.now();
    const at = Math.min(entry.at ?? now, now);
    await accept.accept(providerOptOut(name, binding, entry, { subject: { key, type }, key, at, occurrence: at }));
    // Known now. Where the person said yes after it, that decides, as it does for an opt-out of our own.
    const stillAllowed = allowedDespite(stateOf(task.contact), binding, at, { policy, country: jurisdiction, now });
    if (!stillAllowed) task.outcome = 'held';
  }
}
