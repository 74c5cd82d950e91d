import type { AliasGroupOf } from '../core/alias-group.js';
import { type Catalog, topicsOf } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { sharedWith, stateOf } from '../core/contact-state.js';
import { type Decision, decide, exceptTopics, type Query } from '../core/decide.js';
import { HushError } from '../core/errors.js';
import { DENIAL_TYPES } from '../core/event.js';
import { foldAsOf, presentAt, type State } from '../core/fold.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import { BATCH_TIMEOUT_MS, isUnavailable, unavailable, withTimeout } from '../store/connect.js';
import type { Shared } from '../store/contact-aliases.js';
import type { Contact, Contacts, StoredEvent } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import { createGroupCommit } from './group-commit.js';

/** A contact in question: its key, and the address where it was given. */
export interface DecisionSubject {
  readonly key: Buffer;
  readonly point?: ContactPoint;
}

export interface SubjectDecision extends Decision {
  readonly exceptTopics?: readonly string[];
}

/** A question as it is put: without `at` it is about the present. */
export type DecisionQuery = Omit<Query, 'at'> & { readonly at?: number | undefined };

const DECISION_FIELDS = { state: 1, pending: 1, overflow: 1, country: 1, type: 1, aliasGroup: 1 } as const;
const DENIALS: ReadonlySet<string> = new Set(DENIAL_TYPES);

/** Contacts of one read that several requests share: more would keep each of them waiting. */
const READ_TOGETHER = 50;

const NOBODY: Shared = { others: [] };

/** Answers questions from the store: what is pending is folded over the snapshot, so an acknowledged event counts at once. */
export function createDecisions(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly aliasGroupOf: AliasGroupOf;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly onDecision?: (decision: Decision) => void;
  /** True while this process has acknowledged something that the store may lack: then nothing is answered. */
  readonly isBehind?: () => boolean;
}) {
  const { contacts, ledger, catalog, policy, clock, machine } = parts;

  /**
   * The state a question at `at` (ms) needs, and when it is asked: the present one knows all that was accepted; before its
   * horizon it is the ledger folded up to then.
   */
  async function stateAt({ contact, others }: Shared, at: number | undefined): Promise<{ state: State; at: number }> {
    const state = stateOf(contact, others);
    if (at === undefined) return { state, at: presentAt(state, clock.now()) };
    if (at >= state.horizon) return { state, at };
    const [own = [], ...theirs] = await Promise.all([contact, ...others].map((one) => one && historyOf(one)));
    const shared = theirs.flatMap((events = [], index) => {
      const other = others[index];
      return other && sharedWith(other) === 'all' ? events : events.filter(({ type }) => DENIALS.has(type));
    });
    return { state: foldAsOf([...own, ...shared], at), at };
  }

  async function historyOf(contact: Contact): Promise<StoredEvent[]> {
    return [...(await ledger.ofContact(contact.key)).map(({ event }) => event), ...contact.pending];
  }

  /** @throws HushError `unavailable` */
  function refuseWhileBehind(): void {
    if (!parts.isBehind?.()) return;
    throw new HushError('unavailable', 'Opt-outs that were just received are not in the record yet.', {
      retryAfter: 1,
      remedy: 'try again in a second',
    });
  }

  const groupOf = ({ key, point }: DecisionSubject) => ({ key, group: point && parts.aliasGroupOf(point) });

  function decideState(state: State, query: Query, country: string | undefined): SubjectDecision {
    const context = { policy, ...(country ? { country } : {}) };
    const decision = decide(state, query, context);
    parts.onDecision?.(decision);
    if (!decision.allowed || query.topic !== '*' || state.atoms.length === 0) return decision;
    const topics = topicsOf(catalog, query.brand).map(({ id }) => id);
    const denied = exceptTopics(state, query, topics, context);
    return denied.length > 0 ? { ...decision, exceptTopics: denied } : decision;
  }

  /**
   * Answers in the order asked; undefined for a key that nobody is known under: it proves no contact, so nothing is allowed
   * by it. Throws HushError `unavailable`: never "unknown, so allowed".
   */
  async function decideAll(
    subjects: readonly DecisionSubject[],
    query: DecisionQuery,
  ): Promise<(SubjectDecision | undefined)[]> {
    refuseWhileBehind();
    try {
      const found = await withTimeout(
        machine,
        contacts.findShared(subjects.map(groupOf), DECISION_FIELDS),
        subjects.length > 100 ? BATCH_TIMEOUT_MS : undefined,
      );
      return await Promise.all(
        subjects.map(async ({ key, point }) => {
          const shared = found.get(key.toString('hex')) ?? NOBODY;
          if (!shared.contact && !point) return undefined;
          const { state, at } = await stateAt(shared, query.at);
          return decideState(state, { ...query, at }, shared.contact?.country ?? point?.country);
        }),
      );
    } catch (error) {
      throw unavailable(error);
    }
  }

  const readTogether = createGroupCommit(
    async (subjects: readonly DecisionSubject[]) => {
      const found = await withTimeout(machine, contacts.findShared(subjects.map(groupOf)));
      return subjects.map(({ key }) => found.get(key.toString('hex')) ?? NOBODY);
    },
    { largest: READ_TOGETHER, concernsAll: isUnavailable },
  );

  return {
    decideAll,
    /** The present state, with the contact where somebody has heard of it: another spelling may have been denied. */
    async present(subject: DecisionSubject): Promise<{ contact?: Contact; state: State }> {
      refuseWhileBehind();
      try {
        // Requests that arrive during one read share the next: a read costs as much as the rest of a page.
        const { contact, others } = await withTimeout(machine, readTogether(subject));
        return { ...(contact ? { contact: { ...contact, others } } : {}), state: stateOf(contact, others) };
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type Decisions = ReturnType<typeof createDecisions>;
