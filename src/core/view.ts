import type { CadenceAtom, DenialAtom, FactAtom, GrantAtom } from './atoms.js';
import { endsErasure } from './erasure.js';
import type { Relationship } from './event.js';
import type { State } from './fold.js';
import type { Channel } from './scope.js';

/** What profiles said. Decisions go by all but the language and the signal. Times in ms. */
export interface Facts {
  readonly relationship: Relationship;
  readonly jurisdiction: string | undefined;
  readonly timeZone: string | undefined;
  readonly minor: boolean;
  readonly language: string | undefined;
  /** When the person last said that a signal of their browser does not count against what they agreed to. */
  readonly signalIgnoredAt: number | undefined;
  readonly purchaseAt: number | undefined;
  readonly inquiryAt: number | undefined;
}

/** The state as one question sees it: what is after it, and what an erasure forgot, is gone. */
export interface View {
  readonly denials: readonly DenialAtom[];
  readonly grants: readonly GrantAtom[];
  readonly cadences: readonly CadenceAtom[];
  readonly facts: Facts;
  readonly erasedAt: number | undefined;
  readonly customerSinceErasure: boolean;
  readonly restrictedAt: number | undefined;
  /** Since when (ms) a channel does not reach them. */
  readonly unreachable: ReadonlyMap<Channel, number>;
  /** Do-not-call registries that list them, and since when (ms). */
  readonly registries: ReadonlyMap<string, number>;
}

/** Later of two facts of one field: by time, then as recorded. */
function later(a: FactAtom, b: FactAtom | undefined): boolean {
  return b === undefined || a.at > b.at || (a.at === b.at && a.recorded >= b.recorded);
}

function factsOf(atoms: readonly FactAtom[], erasedAt: number | undefined): Facts {
  const known = atoms.filter((atom) => 'minor' in atom.fact || erasedAt === undefined || atom.at > erasedAt);
  const latest = new Map<string, FactAtom>();
  for (const atom of known) {
    const [name, value] = Object.entries(atom.fact)[0] ?? ['', ''];
    const key = name === 'relationship' || name === 'implied' ? `${name}:${value}` : name;
    if (later(atom, latest.get(key))) latest.set(key, atom);
    if (name === 'relationship' && later(atom, latest.get('relationship'))) latest.set('relationship', atom);
  }
  const customer = latest.get('relationship:customer');
  const recipient = latest.get('relationship:recipient');
  const last = latest.get('relationship')?.fact;
  let relationship: Relationship = last && 'relationship' in last ? last.relationship : 'prospect';
  // Once a package recipient, only becoming a customer changes that: the data came from somebody else.
  if (recipient && later(recipient, customer)) relationship = 'recipient';
  const jurisdiction = latest.get('jurisdiction')?.fact;
  const timeZone = latest.get('timeZone')?.fact;
  const minor = latest.get('minor')?.fact;
  const language = latest.get('language')?.fact;
  return {
    relationship,
    jurisdiction: jurisdiction && 'jurisdiction' in jurisdiction ? jurisdiction.jurisdiction : undefined,
    timeZone: timeZone && 'timeZone' in timeZone ? timeZone.timeZone : undefined,
    minor: minor !== undefined && 'minor' in minor && minor.minor,
    language: language && 'language' in language ? language.language : undefined,
    signalIgnoredAt: latest.get('signal')?.at,
    purchaseAt: latest.get('implied:purchase')?.at,
    inquiryAt: latest.get('implied:inquiry')?.at,
  };
}

/** When (ms) something was last closed and opened. */
interface Toggle {
  closed: number;
  opened: number;
}

function note<Key>(toggles: Map<Key, Toggle>, key: Key, closes: boolean, at: number): void {
  const known = toggles.get(key) ?? { closed: Number.NEGATIVE_INFINITY, opened: Number.NEGATIVE_INFINITY };
  if (closes) known.closed = Math.max(known.closed, at);
  else known.opened = Math.max(known.opened, at);
  toggles.set(key, known);
}

/** What is closed, and since when (ms). At the same instant what closes wins. */
function closedOf<Key>(toggles: ReadonlyMap<Key, Toggle>): Map<Key, number> {
  return new Map(
    [...toggles].flatMap(([key, { closed, opened }]) =>
      closed > Number.NEGATIVE_INFINITY && closed >= opened ? [[key, closed] as const] : [],
    ),
  );
}

/** The last view of each state: one page asks some forty questions of one state at one time. */
const lastViews = new WeakMap<State, { readonly at: number; readonly view: View }>();

/** What a question at `at` (ms) sees of a state. */
export function viewAt(state: State, at: number): View {
  const last = lastViews.get(state);
  if (last?.at === at) return last.view;
  const view = makeView(state, at);
  lastViews.set(state, { at, view });
  return view;
}

function makeView(state: State, at: number): View {
  const denials: DenialAtom[] = [];
  const grants: GrantAtom[] = [];
  const cadences: CadenceAtom[] = [];
  const facts: FactAtom[] = [];
  const reach = new Map<Channel, Toggle>();
  const registries = new Map<string, Toggle>();
  let erasedAt: number | undefined;
  let restrictedAt = Number.NEGATIVE_INFINITY;
  let unrestrictedAt = Number.NEGATIVE_INFINITY;
  for (const atom of state.atoms) {
    if (atom.at > at) continue;
    switch (atom.t) {
      case 'denial':
        // From its end on a pause is as if it never was.
        if (atom.until === undefined || at < atom.until) denials.push(atom);
        break;
      case 'grant':
        grants.push(atom);
        break;
      case 'fact':
        facts.push(atom);
        break;
      case 'cadence':
        cadences.push(atom);
        break;
      case 'erased':
        erasedAt = Math.max(erasedAt ?? atom.at, atom.at);
        break;
      case 'restricted':
        restrictedAt = Math.max(restrictedAt, atom.at);
        break;
      case 'unrestricted':
        unrestrictedAt = Math.max(unrestrictedAt, atom.at);
        break;
      case 'reach':
        note(reach, atom.channel, !atom.reachable, atom.at);
        break;
      case 'registry':
        note(registries, atom.registry, atom.listed, atom.at);
        break;
    }
  }
  const end = erasedAt;
  return {
    denials,
    grants: end === undefined ? grants : grants.filter((grant) => grant.at > end),
    cadences: end === undefined ? cadences : cadences.filter((cadence) => cadence.at > end),
    facts: factsOf(facts, end),
    erasedAt: end,
    customerSinceErasure: end !== undefined && facts.some((fact) => endsErasure(fact, end)),
    // At the same instant what closes wins.
    restrictedAt: restrictedAt > Number.NEGATIVE_INFINITY && restrictedAt >= unrestrictedAt ? restrictedAt : undefined,
    unreachable: closedOf(reach),
    registries: closedOf(registries),
  };
}

/** The facts that count at `at` (ms): what an erasure forgot is not among them. */
export const factsAt = (state: State, at: number): Facts => viewAt(state, at).facts;

/** Since when (ms) the contact is restricted; undefined when it is not. */
export const restrictedSince = (state: State, at: number): number | undefined => viewAt(state, at).restrictedAt;

/** When (ms) the contact was erased; undefined when it was not. */
export const erasedSince = (state: State, at: number): number | undefined => viewAt(state, at).erasedAt;
