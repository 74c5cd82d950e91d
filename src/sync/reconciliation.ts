import { createAliasGroups } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { stateOf } from '../core/contact-state.js';
import { allowedDespite, desiredState } from '../core/desired.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { Draft } from '../preferences/draft.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Findings, Reconciliation, Reconciliations } from '../store/reconciliations.js';
import { type Finding, findingOfAbsent, findingOfListed } from './compare.js';
import type { Binding, BoundDestination, ReadBackEntry } from './destination.js';
import { providerAddress } from './provider-address.js';

/** Contacts compared with one query. */
const BATCH_SIZE = 500;
/** Longest (ms) a page may take to be read. */
const PAGE_TIMEOUT = 20_000;
/**
 * What was told within ten minutes is not compared: providers answer lists from copies that lag behind, and a call that was
 * given up may still land.
 */
export const SETTLING = 10 * 60_000;

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

/**
 * One step of comparing what a destination holds with what it was told: a page there, or a page of contacts here. Every
 * step may be repeated: what becomes an event has an id of its own, and marks are a set.
 */
export function createReconciliation(parts: {
  readonly contacts: Contacts;
  readonly reconciliations: Reconciliations;
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly keyring: Keyring;
  readonly policy: Policy;
  readonly country: string;
  readonly clock: Clock;
  /** Waits until another call may be made. */
  readonly pace: (bound: BoundDestination, signal: AbortSignal) => Promise<void>;
  readonly settling?: number | undefined;
}) {
  const { contacts, reconciliations, keyring, policy, clock } = parts;
  const aliasGroupOf = createAliasGroups(keyring, policy.mailboxes);
  const settling = parts.settling ?? SETTLING;

  /** Entries that are addresses, each contact once. */
  function readable(entries: readonly ReadBackEntry[]): { listed: Listed[]; unreadable: number } {
    const listed = new Map<string, Listed>();
    let unreadable = 0;
    for (const entry of entries) {
      const point = providerAddress(entry.type ?? 'email', entry.address, parts.country);
      if (!point) {
        unreadable++;
        continue;
      }
      const key = contactKeyBytes(keyring, point);
      listed.set(key.toString('hex'), { entry, point, key });
    }
    return { listed: [...listed.values()], unreadable };
  }

  /** An entry of somebody else's as an opt-out, at the provider's own time where it tells one that can be. */
  function draftOf(
    bound: BoundDestination,
    binding: Binding,
    run: Reconciliation,
    { entry, point, key }: Listed,
    liftedAt = 0,
  ): Draft {
    const { at } = entry;
    const theirs = at !== undefined && at > liftedAt && at <= clock.now();
    return {
      subject: { point },
      type: 'opted_out',
      scope: binding.scope,
      at: theirs ? at : Math.max(run.startedAt, liftedAt),
      source: { kind: 'reconciliation', destination: bound.name },
      writer: {
        name: `reconciliation:${bound.name}`,
        id: `${binding.name}:${key.toString('hex')}:${theirs ? at : run.run}`,
      },
      evidence: {
        found: entry.kind,
        binding: binding.name,
        ...(at === undefined ? {} : { there: new Date(at).toISOString() }),
      },
    };
  }

  async function record(drafts: readonly Draft[]): Promise<void> {
    const results = await parts.accept.acceptAll(drafts);
    const failed = results.find(
      (result): result is Error =>
        result instanceof Error && !(result instanceof HushError && result.kind === 'id_reused'),
    );
    if (failed) throw failed;
  }

  /** Compares entries of a page with the contacts they are about, and repairs. */
  async function compareListed(
    bound: BoundDestination,
    binding: Binding,
    run: Reconciliation,
    listed: readonly Listed[],
    readAt: number,
  ): Promise<Finding[]> {
    const found = await contacts.findShared(listed.map(({ key, point }) => ({ key, group: aliasGroupOf(point) })));
    const findings: Finding[] = [];
    const drafts: Draft[] = [];
    const doubtful: Buffer[] = [];
    const now = clock.now();
    for (const one of listed) {
      const { contact, others = [] } = found.get(one.key.toString('hex')) ?? {};
      const context = { policy, country: contact?.country ?? one.point.country, now };
      const state = stateOf(contact, others);
      const decision = desiredState(state, [binding], context).get(binding.name);
      if (!decision) continue;
      const finding = findingOfListed(one.entry, contact, decision, {
        destination: bound.name,
        binding: binding.name,
        settledBefore: readAt - settling,
        liftsNothing: bound.destination.liftsNothing?.(binding) ?? false,
      });
      findings.push(finding);
      if (finding === 'still_there') doubtful.push(one.key);
      if (finding !== 'unknown_here') continue;
      const draft = draftOf(bound, binding, run, one, contact?.synced[bound.name]?.bindings[binding.name]?.at);
      drafts.push(draft);
      // The person said yes after it: known now, and what holds is told.
      if (contact && allowedDespite(state, binding, draft.at ?? now, context)) doubtful.push(one.key);
    }
    if (!run.dryRun) {
      await record(drafts);
      await contacts.markPending(bound.name, [binding.name], doubtful, now);
    }
    // Those that are new here too: they are told before the comparison comes to them.
    await reconciliations.remember(
      run.run,
      binding.name,
      listed.map(({ key }) => key),
    );
    return findings;
  }

  async function readPage(bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
    const binding = bound.bindings[run.binding];
    if (!binding || !bound.destination.readBack) return { ...run, phase: 'comparing' };
    const signal = AbortSignal.timeout(PAGE_TIMEOUT);
    await parts.pace(bound, signal);
    const readAt = clock.now();
    const page = await bound.destination.readBack(binding, run.cursor, signal);
    const { listed, unreadable } = readable(page.entries);
    let { found } = run;
    for (let i = 0; i < listed.length; i += BATCH_SIZE) {
      found = counted(
        found,
        binding.name,
        await compareListed(bound, binding, run, listed.slice(i, i + BATCH_SIZE), readAt),
      );
    }
    found = counted(
      found,
      binding.name,
      Array.from({ length: unreadable }, () => 'unreadable'),
    );
    const { cursor: _cursor, ...rest } = run;
    const read = run.read + page.entries.length;
    if (page.next !== undefined) return { ...rest, read, found, cursor: page.next };
    const last = run.binding + 1 >= bound.bindings.length;
    return { ...rest, read, found, binding: run.binding + 1, phase: last ? 'comparing' : 'reading' };
  }

  /** Contacts that were told something, after the one compared last. */
  async function pageOfSynced(bound: BoundDestination, run: Reconciliation): Promise<Contact[]> {
    const after = run.after === undefined ? undefined : Buffer.from(run.after, 'hex');
    return contacts.page(after, BATCH_SIZE, { [`told.${bound.name}`]: { $exists: true } });
  }

  function advanced(run: Reconciliation, page: readonly Contact[], found: Findings): Reconciliation {
    const last = page.at(-1);
    return {
      ...run,
      found,
      compared: run.compared + page.length,
      ...(last ? { after: last.key.toString('hex') } : {}),
      phase: page.length < BATCH_SIZE ? 'done' : run.phase,
    };
  }

  async function comparePage(bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
    const page = await pageOfSynced(bound, run);
    let { found } = run;
    for (const { name } of bound.bindings) {
      const listed = await reconciliations.listed(
        run.run,
        name,
        page.map(({ key }) => key),
      );
      const absent = page.filter(({ key }) => !listed.has(key.toString('hex')));
      const findings = absent.flatMap((contact) => {
        const about = { destination: bound.name, binding: name, settledBefore: run.startedAt - settling };
        const finding = findingOfAbsent(contact, about);
        return finding ? [{ contact, finding }] : [];
      });
      found = counted(
        found,
        name,
        findings.map(({ finding }) => finding),
      );
      const missing = findings.filter(({ finding }) => finding === 'missing_there').map(({ contact }) => contact.key);
      if (!run.dryRun) await contacts.markPending(bound.name, [name], missing, clock.now());
    }
    return advanced(run, page, found);
  }

  async function assertPage(bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
    const page = await pageOfSynced(bound, run);
    let { found } = run;
    for (const { name } of bound.bindings) {
      const about = { destination: bound.name, binding: name, settledBefore: run.startedAt - settling };
      const findings = page.flatMap((contact) => {
        const finding = findingOfAbsent(contact, about);
        return finding ? [{ contact, finding: finding === 'missing_there' ? ('asserted' as const) : finding }] : [];
      });
      found = counted(
        found,
        name,
        findings.map(({ finding }) => finding),
      );
      const asserted = findings.filter(({ finding }) => finding === 'asserted').map(({ contact }) => contact.key);
      if (!run.dryRun) await contacts.markPending(bound.name, [name], asserted, clock.now());
    }
    return advanced(run, page, found);
  }

  return {
    /** A run that has not begun to read. */
    async begin(
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
    },

    /** The run one page further. Throws ProviderError as the adapter does. */
    async step(bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
      const { why: _why, ...well } = run;
      const clean = { ...well, failures: 0 };
      switch (run.phase) {
        case 'reading':
          return readPage(bound, clean);
        case 'comparing':
          return comparePage(bound, clean);
        case 'asserting':
          return assertPage(bound, clean);
        case 'done':
          return run;
      }
    },
  };
}

export type ReconciliationSteps = ReturnType<typeof createReconciliation>;
