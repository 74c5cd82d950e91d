import type { AliasGroupOf } from '../core/alias-group.js';
import { type Catalog, topicsOf } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { sharedWith, stateOf } from '../core/contact-state.js';
import { type Decision, decide, exceptTopics, type Query } from '../core/decide.js';
import { HushError } from '../core/errors.js';
import { DENIAL_TYPES } from '../core/event.js';
import { foldAsOf, presentAt, type State } from '../core/fold.js';
import { contactKeyFromText } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import { BATCH_TIMEOUT_MS, isUnavailable, unavailable, withTimeout } from '../store/connect.js';
import type { Shared } from '../store/contact-aliases.js';
import type { Contact, Contacts, StoredEvent } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { DecisionIndex } from './decision-index.js';
import { createGroupCommit } from './group-commit.js';
import { createVerdicts, type SubjectDecision, type Verdicts } from './verdicts.js';

/** A contact in question: its key, and the address where it was given. */
export interface DecisionSubject {
  readonly key: Buffer;
  readonly point?: ContactPoint;
}

export type { SubjectDecision } from './verdicts.js';

/** A question as it is put: without `at` it is about the present. */
export type DecisionQuery = Omit<Query, 'at'> & { readonly at?: number | undefined };

const DECISION_FIELDS = { state: 1, pending: 1, overflow: 1, country: 1, type: 1, aliasGroup: 1 } as const;
const DENIALS: ReadonlySet<string> = new Set(DENIAL_TYPES);

/** Contacts of one read that several requests share: more would keep each of them waiting. */
const READ_TOGETHER = 50;

/** Subjects of one question from which on the index is asked: one read of the store costs as much as to know that it is current. */
const MANY_SUBJECTS = 50;

const NOBODY: Shared = { others: [] };

/** Counts what was decided: a call for each answer would cost more than deciding. */
function countDecisions(onDecision: ((decision: Decision, count: number) => void) | undefined) {
  const counts = new Map<string, { decision: Decision; count: number }>();
  return {
    add(decision: Decision): void {
      const key = `${decision.allowed} ${decision.reason}`;
      const known = counts.get(key);
      if (known) known.count++;
      else counts.set(key, { decision, count: 1 });
    },
    report(): void {
      for (const { decision, count } of counts.values()) onDecision?.(decision, count);
    },
  };
}

/** Answers questions from the store: what is pending is folded over the snapshot, so an acknowledged event counts at once. */
export function createDecisions(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly aliasGroupOf: AliasGroupOf;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly onDecision?: (decision: Decision, count: number) => void;
  /** Answers questions about many contacts, where there is one. */
  readonly index?: Pick<DecisionIndex, 'current'>;
  /** Subjects from which on it is asked, or Infinity; for tests. */
  readonly indexFrom?: number;
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
    if (!decision.allowed || query.topic !== '*' || state.atoms.length === 0) return decision;
    const topics = topicsOf(catalog, query.brand).map(({ id }) => id);
    const denied = exceptTopics(state, query, topics, context);
    return denied.length > 0 ? { ...decision, exceptTopics: denied } : decision;
  }

  async function fromStore(
    subjects: readonly DecisionSubject[],
    query: DecisionQuery,
  ): Promise<(SubjectDecision | undefined)[]> {
    const found = await withTimeout(
      machine,
      contacts.findShared(subjects.map(groupOf), DECISION_FIELDS),
      subjects.length > 100 ? BATCH_TIMEOUT_MS : undefined,
    );
    return Promise.all(
      subjects.map(async ({ key, point }) => {
        const shared = found.get(key.toString('hex')) ?? NOBODY;
        if (!shared.contact && !point) return undefined;
        const { state, at } = await stateAt(shared, query.at);
        return decideState(state, { ...query, at }, shared.contact?.country ?? point?.country);
      }),
    );
  }

  /** What the index says of each, null where only the store can say. */
  function fromIndex(subjects: readonly DecisionSubject[], verdicts: Verdicts): (SubjectDecision | undefined | null)[] {
    const keys = new Uint32Array(4);
    const groups = new Uint32Array(4);
    return subjects.map(({ key, point }) => {
      const group = point && parts.aliasGroupOf(point);
      if (group && group.formerKeys.length > 0) return null;
      const id = group && contactKeyFromText(group.id);
      for (let word = 0; word < 4; word++) {
        keys[word] = key.readUInt32BE(word * 4);
        groups[word] = id?.readUInt32BE(word * 4) ?? 0;
      }
      const verdict = verdicts.of(keys, 0, id ? groups : undefined, point?.country);
      if (!verdict) return null;
      return verdicts.isOfNobody() && !point ? undefined : verdicts.decision(verdict, keys, 0);
    });
  }

  /** Answers from memory; undefined where they would not be those of the store. @throws HushError `unavailable` */
  async function fromMemory(query: DecisionQuery): Promise<Verdicts | undefined> {
    refuseWhileBehind();
    const index = parts.indexFrom === Number.POSITIVE_INFINITY ? undefined : await parts.index?.current();
    return index && createVerdicts(index, { ...query, at: query.at ?? clock.now() }, decideState);
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
      const isMany = subjects.length >= (parts.indexFrom ?? MANY_SUBJECTS);
      const verdicts = isMany ? await fromMemory(query) : undefined;
      const answers = verdicts ? fromIndex(subjects, verdicts) : subjects.map(() => null);
      const open = subjects.filter((_, place) => answers[place] === null);
      const read = open.length > 0 ? await fromStore(open, query) : [];
      let next = 0;
      const all = answers.map((answer) => (answer === null ? read[next++] : answer));
      const counted = countDecisions(parts.onDecision);
      for (const answer of all) if (answer) counted.add(answer);
      counted.report();
      return all;
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
    fromMemory,
    /** Counts answers that were given from memory. */
    countGiven(verdicts: Verdicts): void {
      for (const { decision, count } of verdicts.given()) if (count > 0) parts.onDecision?.(decision, count);
    },
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
