import type { Decision, Query } from '../core/decide.js';
import { EMPTY_STATE, type State } from '../core/fold.js';
import { type ContactIndex, KNOWN } from './contact-index.js';
import { eventIdOf, stateOfShape } from './index-shapes.js';

export interface SubjectDecision extends Decision {
  readonly exceptTopics?: readonly string[];
}

/** What contacts that are alike get for an answer. */
export interface Verdict {
  readonly decision: SubjectDecision;
  /** The event of each contact says `since` and which event: `since` and `eventId` of the verdicts have them. */
  readonly dated: boolean;
  /** How often it was given. */
  count: number;
}

/** Answers to one question at one time, from memory. */
export interface Verdicts {
  /**
   * The answer about the contact whose key is at a place of `keys`; undefined where only the store can say.
   *
   * @param groups where the id of its group is, at the same place; undefined where its address tells of none
   * @param country what the address itself tells
   */
  of(keys: Uint32Array, at: number, groups: Uint32Array | undefined, country: string | undefined): Verdict | undefined;
  /** True when nobody has heard of the contact of the last answer. */
  isOfNobody(): boolean;
  /** Of the last answer, where it is `dated`: ms. */
  since(): number;
  /** The id of that event, as three words; `keys` and `at` as they were given. */
  eventWords(keys: Uint32Array, at: number, ids: Uint32Array, place: number): void;
  /** The last answer, whole. */
  decision(verdict: Verdict, keys: Uint32Array, at: number): SubjectDecision;
  /** All that were given. */
  given(): Iterable<Verdict>;
}

/** @param decideState the decision about a state, with what the catalog adds */
export function createVerdicts(
  index: ContactIndex,
  query: Query,
  decideState: (state: State, query: Query, country: string | undefined) => SubjectDecision,
): Verdicts {
  const { found } = index;
  const nobody = new Map<string | undefined, Verdict>();
  /** By the country that counts, and in each by the place of the shape. */
  const ofShapes = new Map<string | undefined, (Verdict | undefined)[]>();
  const withoutCountry: (Verdict | undefined)[] = [];
  ofShapes.set(undefined, withoutCountry);
  const single: Verdict[] = [];
  let isNobody = false;

  function verdictOn(state: State, country: string | undefined): Verdict {
    const decision = decideState(state, query, country);
    return { decision, dated: decision.event !== undefined, count: 0 };
  }

  function ofNobody(country: string | undefined): Verdict {
    const known = nobody.get(country);
    if (known) return known;
    const verdict = verdictOn(EMPTY_STATE, country);
    nobody.set(country, verdict);
    return verdict;
  }

  function verdictsIn(country: string): (Verdict | undefined)[] {
    const known = ofShapes.get(country);
    if (known) return known;
    const verdicts: (Verdict | undefined)[] = [];
    ofShapes.set(country, verdicts);
    return verdicts;
  }

  /** About the contact that was just found. */
  function ofFound(country: string | undefined): Verdict | undefined {
    const { shape: place, time } = found;
    // Before its event, or before what took the place of others, the ledger knows more.
    if (time > query.at) return undefined;
    const shape = index.shapeAt(place);
    const counting = shape.country ?? country;
    if (!shape.lasting) {
      const verdict = verdictOn(stateOfShape(shape, time, ''), counting);
      single.push(verdict);
      return verdict;
    }
    const verdicts = counting === undefined ? withoutCountry : verdictsIn(counting);
    const known = verdicts[place];
    if (known) return known;
    const verdict = verdictOn(stateOfShape(shape, query.at, ''), counting);
    verdicts[place] = verdict;
    return verdict;
  }

  return {
    of(keys, at, groups, country) {
      const known = index.look(keys, at, groups);
      if (known === KNOWN.askStore) return undefined;
      isNobody = known === KNOWN.nobody;
      const verdict = isNobody ? ofNobody(country) : ofFound(country);
      if (verdict) verdict.count++;
      return verdict;
    },
    isOfNobody: () => isNobody,
    since: () => found.time,
    eventWords(keys, at, ids, place) {
      const word1 = keys[at + 1] ?? 0;
      const { high, low } = found;
      ids[place] = keys[at] ?? 0;
      ids[place + 1] = (word1 & 0xff000000) | (high >>> 8);
      ids[place + 2] = (high << 24) | low;
    },
    decision({ decision, dated }, keys, at) {
      return dated
        ? { ...decision, since: found.time, event: eventIdOf(keys[at] ?? 0, keys[at + 1] ?? 0, found) }
        : decision;
    },
    *given() {
      yield* nobody.values();
      for (const verdicts of ofShapes.values()) for (const verdict of verdicts) if (verdict) yield verdict;
      yield* single;
    },
  };
}
