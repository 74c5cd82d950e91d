import { type Catalog, topicsOf } from '../core/catalog.js';
import { type Decision, decide, exceptTopics, type Reason } from '../core/decide.js';
import type { Atom, State } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { type Channel, PURPOSES, type Purpose } from '../core/scope.js';

/** A decision as a cell shows it. */
export interface Cell {
  readonly channel: Channel;
  readonly allowed: boolean;
  readonly reason: Reason;
  /** ms; since when this reason holds, where that can be said. */
  readonly since?: number;
  /** Topics that are denied though the cell is allowed. */
  readonly except: readonly string[];
  /** Event of the denial, without its prefix. */
  readonly event?: string;
}

export interface MatrixRow {
  readonly purpose: Purpose;
  /** By column; undefined where nobody would ask. */
  readonly cells: readonly (Cell | undefined)[];
}

/** Brands for which everything is decided alike, and what is decided. */
export interface MatrixGroup {
  readonly brands: readonly string[];
  readonly rows: readonly MatrixRow[];
}

export const COLUMNS: readonly Channel[] = ['email', 'voice', 'sms', 'mail', 'push', 'web', 'ads'];
/** Uses of data rather than messages: they happen on websites and ad platforms. */
const SHOWN: ReadonlySet<Purpose> = new Set(['retargeting', 'lookalike_seed', 'lookalike_target', 'profiling']);
const SHOWING: ReadonlySet<Channel> = new Set(['web', 'ads']);

function latest(atoms: readonly Atom[], wanted: (atom: Atom) => boolean): number | undefined {
  const times = atoms.filter(wanted).map(({ at }) => at);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Since when a reason that is no denial holds. */
function sinceOf(state: State, decision: Decision, channel: Channel): number | undefined {
  if (decision.since !== undefined) return decision.since;
  const { atoms } = state;
  switch (decision.reason) {
    case 'erased':
    case 'restricted':
      return latest(atoms, (atom) => atom.t === decision.reason);
    case 'undeliverable':
      return latest(atoms, (atom) => atom.t === 'reach' && atom.channel === channel && !atom.reachable);
    case 'registry':
      return latest(atoms, (atom) => atom.t === 'registry' && atom.listed);
    case 'indirect_source':
      return latest(
        atoms,
        (atom) => atom.t === 'fact' && 'relationship' in atom.fact && atom.fact.relationship === 'recipient',
      );
    case 'minor':
      return latest(atoms, (atom) => atom.t === 'fact' && 'minor' in atom.fact && atom.fact.minor);
    default:
      return undefined;
  }
}

/** May we? By brand, purpose and channel, with the reason and since when. The hour of the day is left out: it says nothing of the person. */
export function matrixOf(parts: {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly state: State;
  readonly country: string | undefined;
  readonly now: number;
}): MatrixGroup[] {
  const { catalog, policy, state, country, now } = parts;
  const context = { policy, ignoreQuietHours: true, ...(country ? { country } : {}) };

  function cell(brand: string, channel: Channel, purpose: Purpose): Cell | undefined {
    if (SHOWN.has(purpose) !== SHOWING.has(channel)) return undefined;
    const question = { brand, channel, purpose, topic: '*', at: now };
    const decision = decide(state, question, context);
    const topics = topicsOf(catalog, brand).filter((topic) => topic.channels.includes(channel));
    const except =
      decision.allowed && purpose === 'promotion'
        ? exceptTopics(
            state,
            question,
            topics.map(({ id }) => id),
            context,
          )
        : [];
    const since = sinceOf(state, decision, channel);
    return {
      channel,
      allowed: decision.allowed,
      reason: decision.reason,
      except,
      ...(since === undefined ? {} : { since }),
      ...(decision.event === undefined ? {} : { event: decision.event }),
    };
  }

  const groups: { brands: string[]; rows: MatrixRow[]; text: string }[] = [];
  for (const brand of catalog.brands.filter(({ retired }) => !retired)) {
    const rows = PURPOSES.filter((purpose) => purpose !== 'legal').map(
      (purpose): MatrixRow => ({ purpose, cells: COLUMNS.map((channel) => cell(brand.id, channel, purpose)) }),
    );
    const text = JSON.stringify(rows);
    const alike = groups.find((group) => group.text === text);
    if (alike) alike.brands.push(brand.name);
    else groups.push({ brands: [brand.name], rows, text });
  }
  return groups.map(({ brands, rows }) => ({ brands, rows }));
}
