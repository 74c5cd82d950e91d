import { type Catalog, topicsOf } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { type Decision, decide, exceptTopics, type Question } from '../core/decide.js';
import { EMPTY_STATE, fold, foldAsOf, presentAt, type State } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { inTime, MANY_WITHIN, unavailable } from '../store/connect.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';

/** A contact in question: its key, and the address where it was given. */
export interface Asked {
  readonly key: Buffer;
  readonly point?: ContactPoint;
}

export interface Answer extends Decision {
  readonly exceptTopics?: readonly string[];
}

/** A question as it is put: without `at` it is about the present. */
export type Asking = Omit<Question, 'at'> & { readonly at?: number | undefined };

const DECIDING = { state: 1, pending: 1, overflow: 1, country: 1, type: 1 } as const;

/** Answers questions from the store: what is pending is folded over the snapshot, so an acknowledged event counts at once. */
export function createQuestions(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly onDecision?: (decision: Decision) => void;
}) {
  const { contacts, ledger, catalog, policy, clock } = parts;

  /**
   * The state a question at `at` (ms) needs, and when it is asked: the present one knows all that was accepted; before its
   * horizon it is the ledger folded up to then.
   */
  async function seenAt(contact: Contact | undefined, at: number | undefined): Promise<{ state: State; at: number }> {
    if (!contact) return { state: EMPTY_STATE, at: at ?? clock.now() };
    const state = fold(contact.state, contact.pending);
    if (at === undefined) return { state, at: presentAt(state, clock.now()) };
    if (at >= state.horizon) return { state, at };
    const history = (await ledger.ofContact(contact.key)).map(({ event }) => event);
    return { state: foldAsOf([...history, ...contact.pending], at), at };
  }

  function answerFrom(state: State, question: Question, country: string | undefined): Answer {
    const context = { policy, ...(country ? { country } : {}) };
    const decision = decide(state, question, context);
    parts.onDecision?.(decision);
    if (!decision.allowed || question.topic !== '*' || state.atoms.length === 0) return decision;
    const topics = topicsOf(catalog, question.brand).map(({ id }) => id);
    const denied = exceptTopics(state, question, topics, context);
    return denied.length > 0 ? { ...decision, exceptTopics: denied } : decision;
  }

  /**
   * Answers in the order asked; undefined for a key that nobody is known under: it proves no contact, so nothing is allowed
   * by it. Throws HushError `unavailable`: never "unknown, so allowed".
   */
  async function answers(asked: readonly Asked[], question: Asking): Promise<(Answer | undefined)[]> {
    let found: Map<string, Contact>;
    try {
      found = await inTime(
        contacts.find(
          asked.map(({ key }) => key),
          DECIDING,
        ),
        asked.length > 100 ? MANY_WITHIN : undefined,
      );
      return await Promise.all(
        asked.map(async ({ key, point }) => {
          const contact = found.get(key.toString('hex'));
          if (!contact && !point) return undefined;
          const { state, at } = await seenAt(contact, question.at);
          return answerFrom(state, { ...question, at }, contact?.country ?? point?.country);
        }),
      );
    } catch (error) {
      throw unavailable(error);
    }
  }

  return {
    answers,
    /** A contact with its present state, or undefined when nobody has heard of it. */
    async present(key: Buffer): Promise<{ contact: Contact; state: State } | undefined> {
      try {
        const contact = await inTime(contacts.get(key));
        return contact && { contact, state: fold(contact.state, contact.pending) };
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type Questions = ReturnType<typeof createQuestions>;
