import type { ContactType } from '../../src/core/contact-point.js';
import {
  type Action,
  type Binding,
  type BoundDestination,
  type Entry,
  ProviderError,
  type ReadBackEntry,
  type ReadBackPage,
  type Sent,
} from '../../src/sync/destination.js';
import { SIMULATED_TIMES } from './times.js';
import type { Owner, World } from './world.js';

/** What an outside system does wrong at the moment: how often each, from 0 to 1. */
export interface Mood {
  /** Does what it was asked for, and never answers. */
  readonly silent: number;
  /** Answers that it is unavailable; what it was asked for happens later. */
  readonly late: number;
  /** Does it, answers, and does it once more later. */
  readonly twice: number;
  /** Answers that it is unavailable, and has done nothing. */
  readonly down: number;
  readonly rateLimited: number;
}

export const WELL: Mood = { silent: 0, late: 0, twice: 0, down: 0, rateLimited: 0 };

/** What it has on a list. */
export interface Listed {
  readonly kind: ReadBackEntry['kind'];
  /** ms, by the provider's own clock. */
  readonly at: number;
  /** ms */
  readonly saidAt: number;
  /** Put there by the person, at the provider. */
  readonly isForeign: boolean;
}

export interface ProviderSettings {
  readonly name: string;
  readonly accepts: readonly ContactType[];
  readonly bindings: readonly Binding[];
  /** Entries a call. */
  readonly limit: number;
  readonly lanes?: number;
  readonly matchesMailboxes?: boolean;
  /** Whether lists can be read and looked up. */
  readonly reads: boolean;
  /** An address that it refuses for good. */
  readonly refuses?: string;
}

/** Latest (ms) that a call takes effect after it was begun: `reassertAfter` counts on it. */
const LANDS_WITHIN_MS = SIMULATED_TIMES.reassertAfter - 500;
const PAGE = 3;
/** ms that the clock of those who note complaints is ahead: such an entry is told from our own by its time. */
const COMPLAINTS_AHEAD_MS = 5 * 60_000;

/** What a provider sees that must not be. */
export interface Watch {
  /** A lift took away what the person said there at `saidAt` (ms), though it could be seen before the lift was sent. */
  readonly foreignLifted: (binding: string, address: string, saidAt: number) => void;
  /** Two calls for one address are on their way at once, of processes that did not stand still meanwhile. */
  readonly calledAtOnce: (address: string, owners: readonly [Owner, Owner]) => void;
}

/** An outside system with its lists, and the way to it from each process. */
export function createProvider(world: World, settings: ProviderSettings, watch: Watch) {
  /** By binding and address: when somebody last asked whether it is on the list (ms). */
  const lookedUp = new Map<string, number>();
  /** Who has a call on its way, by binding and address. */
  const calling = new Map<string, Owner>();
  const lists = new Map(settings.bindings.map(({ name }) => [name, new Map<string, Listed>()]));
  let mood = WELL;
  let calls = 0;
  const listOf = (binding: Pick<Binding, 'name'>) => {
    const list = lists.get(binding.name);
    if (!list) throw new Error(`no list ${binding.name}`);
    return list;
  };

  const placeOf = (binding: Pick<Binding, 'name'>, address: string): string => `${binding.name} ${address}`;

  function take(
    binding: Binding,
    action: Action,
    entries: readonly Entry[],
    seenAt: ReadonlyMap<string, number>,
  ): void {
    const list = listOf(binding);
    for (const { address } of entries) {
      const listed = list.get(address);
      if (action === 'lift' && listed?.isForeign && listed.saidAt < (seenAt.get(placeOf(binding, address)) ?? 0))
        watch.foreignLifted(binding.name, address, listed.saidAt);
      if (action === 'lift') list.delete(address);
      else if (!list.has(address))
        list.set(address, { kind: 'unsubscribed', at: world.now(), saidAt: world.now(), isForeign: false });
    }
    world.note(`${settings.name}: ${action} ${binding.name} ${entries.map(({ address }) => address).join(' ')}`);
  }

  function moodOf(): keyof Mood | undefined {
    let left = world.random();
    for (const kind of ['silent', 'late', 'twice', 'down', 'rateLimited'] as const) {
      left -= mood[kind];
      if (left < 0) return kind;
    }
    return undefined;
  }

  /** A call on its way: `reach` is what happens there, and its result comes back unless the signal ends the wait. */
  function call<Result>(owner: Owner, signal: AbortSignal, reach: (answer: (give: () => Result) => void) => void) {
    calls++;
    return new Promise<Result>((resolve, reject) => {
      const gaveUp = () => reject(new ProviderError('unavailable', 'no answer before the deadline'));
      if (signal.aborted) {
        gaveUp();
        return;
      }
      signal.addEventListener('abort', gaveUp, { once: true });
      const answer = (give: () => Result) =>
        world.after(world.between(1, 40), owner, () => {
          signal.removeEventListener('abort', gaveUp);
          try {
            resolve(give());
          } catch (error) {
            reject(error);
          }
        });
      // What has left a process arrives, whatever becomes of the process.
      world.after(world.between(1, 40), undefined, () => reach(answer));
    });
  }

  function send(owner: Owner, binding: Binding, action: Action, entries: readonly Entry[], signal: AbortSignal) {
    const landsUntil = world.now() + LANDS_WITHIN_MS;
    const seenAt = new Map(lookedUp);
    const takeLate = () =>
      world.at(world.between(world.now(), landsUntil), undefined, () => take(binding, action, entries, seenAt));
    const ends = begins(owner, binding, entries);
    return call<Sent>(owner, signal, (answer) => {
      const unavailable = () => {
        throw new ProviderError('unavailable', 'answers 503');
      };
      const refused = settings.refuses;
      if (refused !== undefined && entries.some(({ address }) => address === refused)) {
        answer(() => {
          throw new ProviderError('refused', 'an address is not accepted');
        });
        return;
      }
      const now = moodOf();
      if (now === 'rateLimited') {
        answer(() => {
          throw new ProviderError('rate_limited', 'too many calls', 1);
        });
        return;
      }
      if (now === 'late') takeLate();
      else if (now !== 'down') take(binding, action, entries, seenAt);
      // A suppression that is repeated after it was answered, and after a lift, is undone by the next comparison only.
      if (now === 'twice' && action === 'lift') takeLate();
      else if (now === 'twice') take(binding, action, entries, seenAt);
      if (now === 'silent') return;
      answer(now === 'late' || now === 'down' ? unavailable : () => ({ status: 'in_force' }));
    }).finally(ends);
  }

  /** Notes that a call is on its way; returns what notes its end. */
  function begins(owner: Owner, binding: Binding, entries: readonly Entry[]): () => void {
    const places = entries.map(({ address }) => placeOf(binding, address));
    for (const [at, place] of places.entries()) {
      const other = calling.get(place);
      if (other?.isAlive && !other.stoodStill && !owner.stoodStill)
        watch.calledAtOnce(entries[at]?.address ?? '', [other, owner]);
      calling.set(place, owner);
    }
    return () => {
      for (const place of places) if (calling.get(place) === owner) calling.delete(place);
    };
  }

  function entriesOf(list: Map<string, Listed>, wanted?: readonly string[]): ReadBackEntry[] {
    return [...list]
      .filter(([address]) => wanted === undefined || wanted.includes(address))
      .map(([address, { kind, at }]) => ({ address, kind, at }));
  }

  function read<Result>(owner: Owner, signal: AbortSignal, give: () => Result): Promise<Result> {
    return call<Result>(owner, signal, (answer) => {
      const now = moodOf();
      if (now === 'silent') return;
      const result = give();
      answer(() => {
        if (now === 'rateLimited') throw new ProviderError('rate_limited', 'too many calls', 1);
        if (now === 'down' || now === 'late') throw new ProviderError('unavailable', 'answers 503');
        return result;
      });
    });
  }

  return {
    ...settings,
    lists,
    calls: (): number => calls,

    behave(next: Mood): void {
      mood = next;
    },

    /** Somebody unsubscribes there, past us, or complains, by a clock of its own. */
    unsubscribeThere(bindingName: string, address: string, kind: 'unsubscribed' | 'complained'): void {
      const list = listOf({ name: bindingName });
      // A complaint takes the place of what we put there.
      if (list.has(address) && kind === 'unsubscribed') return;
      const at = world.now() + (kind === 'complained' ? COMPLAINTS_AHEAD_MS : 0);
      list.set(address, { kind, at, saidAt: world.now(), isForeign: true });
      world.note(`${settings.name}: ${address} ${kind} there: ${bindingName}`);
    },

    /** The destination as one process has it, with the bindings of its catalog. */
    boundTo(owner: Owner, known: readonly string[]): BoundDestination {
      const bindings = settings.bindings.filter((binding) => known.includes(binding.name));
      const { name, accepts, limit, lanes, matchesMailboxes, reads } = settings;
      return {
        name,
        adapter: 'simulated',
        role: 'processor',
        bindings,
        reconcileHours: undefined,
        callsPerSecond: undefined,
        destination: {
          accepts,
          form: 'readable',
          limits: { suppress: limit, lift: limit },
          ...(lanes === undefined ? {} : { lanes }),
          ...(matchesMailboxes === undefined ? {} : { matchesMailboxes }),
          send: (binding, action, entries, signal) => send(owner, binding, action, entries, signal),
          ...(reads
            ? {
                lookup: (binding: Binding, addresses: readonly string[], signal: AbortSignal) =>
                  read(owner, signal, () => {
                    for (const address of addresses) lookedUp.set(placeOf(binding, address), world.now());
                    return entriesOf(listOf(binding), addresses);
                  }),
                readBack: (binding: Binding, cursor: string | undefined, signal: AbortSignal) =>
                  read(owner, signal, (): ReadBackPage => {
                    const from = Number(cursor ?? 0);
                    const all = entriesOf(listOf(binding));
                    const next = from + PAGE < all.length ? { next: String(from + PAGE) } : {};
                    return { entries: all.slice(from, from + PAGE), ...next };
                  }),
              }
            : {}),
        },
      };
    },
  };
}

export type Provider = ReturnType<typeof createProvider>;
