import type { Atom } from '../core/atoms.js';
import { type Catalog, topicsOf } from '../core/catalog.js';
import { type Decision, decide, exceptTopics, type Reason } from '../core/decide.js';
import { presentAt, type State } from '../core/fold.js';
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
  readonly cells: readonly Cell[];
}

/** Purposes by channels: messages to people, or uses of their data on websites and ad platforms. */
export interface MatrixTable {
  readonly about: 'messages' | 'data';
  readonly columns: readonly Channel[];
  readonly rows: readonly MatrixRow[];
}

/** Brands for which everything is decided alike, and what is decided. */
export interface MatrixGroup {
  readonly brands: readonly string[];
  readonly tables: readonly MatrixTable[];
}

const DATA: readonly Purpose[] = ['retargeting', 'lookalike_seed', 'lookalike_target', 'profiling'];
const TABLES = [
  {
    about: 'messages',
    columns: ['email', 'voice', 'sms', 'mail', 'push'],
    purposes: PURPOSES.filter((purpose) => purpose !== 'legal' && !DATA.includes(purpose)),
  },
  { about: 'data', columns: ['web', 'ads'], purposes: DATA },
] as const satisfies readonly (Omit<MatrixTable, 'rows'> & { readonly purposes: readonly Purpose[] })[];

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
  const { catalog, policy, state, country } = parts;
  const now = presentAt(state, parts.now);
  const context = { policy, ignoreQuietHours: true, ...(country ? { country } : {}) };

  function cell(brand: string, channel: Channel, purpose: Purpose): Cell {
    const query = { brand, channel, purpose, topic: '*', at: now };
    const decision = decide(state, query, context);
    const topics = topicsOf(catalog, brand).filter((topic) => topic.channels.includes(channel));
    const except =
      decision.allowed && purpose === 'promotion'
        ? exceptTopics(
            state,
            query,
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

  const groups: { brands: string[]; tables: MatrixTable[]; text: string }[] = [];
  for (const brand of catalog.brands.filter(({ retired }) => !retired)) {
    const tables = TABLES.map(
      ({ about, columns, purposes }): MatrixTable => ({
        about,
        columns,
        rows: purposes.map((purpose) => ({
          purpose,
          cells: columns.map((channel) => cell(brand.id, channel, purpose)),
        })),
      }),
    );
    const text = JSON.stringify(tables);
    const alike = groups.find((group) => group.text === text);
    if (alike) alike.brands.push(brand.name);
    else groups.push({ brands: [brand.name], tables, text });
  }
  return groups.map(({ brands, tables }) => ({ brands, tables }));
}
