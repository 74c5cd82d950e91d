import type { AliasGroupOf } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { stateOf } from '../core/contact-state.js';
import { allowedDespite, desiredState } from '../core/desired.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import { abortAfter, type Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { Draft } from '../preferences/draft.js';
import type { Contacts } from '../store/contacts.js';
import type { Findings, Reconciliation, Reconciliations } from '../store/reconciliations.js';
import { type Finding, findingOfAbsent, findingOfListed } from './compare.js';
import type { Binding, BoundDestination, ReadBackEntry } from './destination.js';
import { providerAddress } from './provider-address.js';
import { providerOptOut } from './provider-opt-outs.js';

/** Contacts compared with one query. */
const BATCH_SIZE = 500;
/** Longest (ms) a page may take to be read. */
const PAGE_TIMEOUT_MS = 20_000;
/**
 * What was synced within ten minutes is not compared: providers answer lists from copies that lag behind, and a call that was
 * given up may still land.
 */
export const SETTLING_MS = 10 * 60_000;

interface Listed {
  readonly entry: ReadBackEntry;
  readonly point: ContactPoint;
  readonly key: Buffer;
}

function counted(found: Findings, binding: string, kinds: readonly Finding[]): Findings {
  const counts = { ...found[binding] };
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return { ...found, [binding]: counts };
}

export interface ReconciliationContext {
  readonly contacts: Contacts;
  readonly reconciliations: Reconciliations;
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly keyring: Keyring;
  readonly aliasGroupOf: AliasGroupOf;
  readonly policy: Policy;
  /** Of phone numbers that providers give without one. */
  readonly country: string;
  readonly clock: Clock;
  readonly machine: Machine;
  /** Waits until another call may be made. */
  readonly pace: (bound: BoundDestination, signal: AbortSignal) => Promise<void>;
  /** ms; what was synced later than this before a comparison is not compared. */
  readonly settling: number;
}

/** Entries that are addresses, each contact once. */
function readable(
  { keyring, country }: Pick<ReconciliationContext, 'keyring' | 'country'>,
  entries: readonly ReadBackEntry[],
): { listed: Listed[]; unreadable: number } {
  const listed = new Map<string, Listed>();
  let unreadable = 0;
  for (const entry of entries) {
    const point = providerAddress(entry.type ?? 'email', entry.address, country);
    if (!point) {
      unreadable++;
      continue;
    }
    const key = contactKeyBytes(keyring, point);
    listed.set(key.toString('hex'), { entry, point, key });
  }
  return { listed: [...listed.values()], unreadable };
}

/** An entry of somebody else's as an opt-out, at the provider's own time where that is later than our lift and not to come. */
function draftOf(
  destination: string,
  binding: Binding,
  run: Pick<Reconciliation, 'run' | 'startedAt'>,
  { entry, point, key }: Listed,
  { now, liftedAt = 0 }: { readonly now: number; readonly liftedAt?: number | undefined },
): Draft {
  const { at: there } = entry;
  const theirs = there !== undefined && there > liftedAt && there <= now ? there : undefined;
  return providerOptOut(destination, binding, entry, {
    subject: { point },
    key,
    at: theirs ?? Math.max(run.startedAt, liftedAt),
    occurrence: theirs ?? run.run,
    ...(there === undefined ? {} : { evidence: { there: new Date(there).toISOString() } }),
  });
}

async function record(accept: Pick<Accept, 'acceptAll'>, drafts: readonly Draft[]): Promise<void> {
  const results = await accept.acceptAll(drafts);
  const failed = results.find(
    (result): result is Error =>
      result instanceof Error && !(result instanceof HushError && result.kind === 'id_reused'),
  );
  if (failed) throw failed;
}

/** Compares entries of a page with the contacts they are about, and repairs. */
async function compareListed(
  context: ReconciliationContext,
  bound: BoundDestination,
  binding: Binding,
  run: Reconciliation,
  listed: readonly Listed[],
  readAt: number,
): Promise<Finding[]> {
  const { contacts, reconciliations, policy, clock, settling } = context;
  const asked = listed.map(({ key, point }) => ({ key, group: context.aliasGroupOf(point) }));
  const found = await contacts.findShared(asked);
  const findings: Finding[] = [];
  const drafts: Draft[] = [];
  const uncertain: Buffer[] = [];
  const now = clock.now();
  for (const one of listed) {
    const { contact, others = [] } = found.get(one.key.toString('hex')) ?? {};
    const known = { policy, country: contact?.country ?? one.point.country, now };
    const state = stateOf(contact, others);
    const decision = desiredState(state, [binding], known).get(binding.name);
    if (!decision) continue;
    const finding = findingOfListed(one.entry, contact, decision, {
      destination: bound.name,
      binding: binding.name,
      settledBefore: readAt - settling,
      liftsNothing: bound.destination.liftsNothing?.(binding) ?? false,
    });
    findings.push(finding);
    if (finding === 'still_there') uncertain.push(one.key);
    if (finding !== 'unknown_here') continue;
    const liftedAt = contact?.synced[bound.name]?.bindings[binding.name]?.at;
    const draft = draftOf(bound.name, binding, run, one, { now, liftedAt });
    drafts.push(draft);
    // The person said yes after it: known now, and what holds is synced.
    if (contact && allowedDespite(state, binding, draft.at ?? now, known)) uncertain.push(one.key);
  }
  if (!run.dryRun) {
    await record(context.accept, drafts);
    await contacts.markPending(bound.name, [binding.name], uncertain, now);
  }
  // Those that are new here too: they are synced before the comparison comes to them.
  const keys = listed.map(({ key }) => key);
  await reconciliations.remember(run.run, binding.name, keys);
  return findings;
}

async function readPage(
  context: ReconciliationContext,
  bound: BoundDestination,
  run: Reconciliation,
): Promise<Reconciliation> {
  const binding = bound.bindings[run.binding];
  if (!binding || !bound.destination.readBack) return { ...run, phase: 'comparing' };
  const signal = abortAfter(context.machine, PAGE_TIMEOUT_MS);
  await context.pace(bound, signal);
  const readAt = context.clock.now();
  const page = await bound.destination.readBack(binding, run.cursor, signal);
  const { listed, unreadable } = readable(context, page.entries);
  let found = counted(run.found, binding.name, Array<Finding>(unreadable).fill('unreadable'));
  for (let i = 0; i < listed.length; i += BATCH_SIZE) {
    const batch = listed.slice(i, i + BATCH_SIZE);
    found = counted(found, binding.name, await compareListed(context, bound, binding, run, batch, readAt));
  }
  const { cursor: _cursor, ...rest } = run;
  const read = run.read + page.entries.length;
  if (page.next !== undefined) return { ...rest, read, found, cursor: page.next };
  const isLast = run.binding + 1 >= bound.bindings.length;
  return { ...rest, read, found, binding: run.binding + 1, phase: isLast ? 'comparing' : 'reading' };
}

/**
 * Compares one page of the contacts that were synced here: with what was listed there, or, where nothing can be read, by
 * asserting every denial again.
 */
async function comparePage(
  context: ReconciliationContext,
  bound: BoundDestination,
  run: Reconciliation,
): Promise<Reconciliation> {
  const { contacts, reconciliations, clock, settling } = context;
  const after = run.after === undefined ? undefined : Buffer.from(run.after, 'hex');
  const page = await contacts.page(after, BATCH_SIZE, { [`told.${bound.name}`]: { $exists: true } });
  const keys = page.map(({ key }) => key);
  const asserts = run.phase === 'asserting';
  let { found } = run;
  for (const { name } of bound.bindings) {
    const listed = asserts ? new Set<string>() : await reconciliations.listed(run.run, name, keys);
    const about = { destination: bound.name, binding: name, settledBefore: run.startedAt - settling };
    const missing: Buffer[] = [];
    const findings = page.flatMap((contact): Finding[] => {
      const finding = listed.has(contact.key.toString('hex')) ? undefined : findingOfAbsent(contact, about);
      if (finding === 'missing_there') missing.push(contact.key);
      if (finding === undefined) return [];
      return [asserts && finding === 'missing_there' ? 'asserted' : finding];
    });
    found = counted(found, name, findings);
    if (!run.dryRun) await contacts.markPending(bound.name, [name], missing, clock.now());
  }
  const last = page.at(-1);
  return {
    ...run,
    found,
    compared: run.compared + page.length,
    ...(last ? { after: last.key.toString('hex') } : {}),
    phase: page.length < BATCH_SIZE ? 'done' : run.phase,
  };
}

/** A run that has not begun to read. */
export async function beginRun(
  { contacts, clock }: ReconciliationContext,
  bound: BoundDestination,
  run: string,
  wanted: Pick<Reconciliation, 'dryRun' | 'by'>,
): Promise<Reconciliation> {
  const now = clock.now();
  return {
    run,
    dryRun: wanted.dryRun,
    by: wanted.by,
    startedAt: now,
    step: 0,
    phase: bound.destination.readBack ? 'reading' : 'asserting',
    binding: 0,
    read: 0,
    compared: 0,
    expected: await contacts.countSynced(bound.name),
    found: Object.fromEntries(bound.bindings.map(({ name }) => [name, {}])),
    failures: 0,
    dueAt: now,
  };
}

/**
 * The run one page further: a page of what the destination holds, or a page of contacts here. Every step may be repeated:
 * what becomes an event has an id of its own, and pending syncs are a set. Throws ProviderError as the adapter does.
 */
export async function stepRun(
  context: ReconciliationContext,
  bound: BoundDestination,
  run: Reconciliation,
): Promise<Reconciliation> {
  const { why: _why, ...well } = run;
  const clean = { ...well, failures: 0 };
  switch (run.phase) {
    case 'reading':
      return readPage(context, bound, clean);
    case 'comparing':
    case 'asserting':
      return comparePage(context, bound, clean);
    case 'done':
      return run;
  }
}
