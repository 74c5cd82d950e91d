import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import type { Adapter, Binding, Destination, Entry, JobState, ReadBackEntry } from '../../../src/sync/destination.js';
import { ProviderError } from '../../../src/sync/destination.js';
import { createHttp } from '../../../src/sync/http.js';
import { providerAddress } from '../../../src/sync/provider-address.js';
import type { StandInServer } from '../../support/stand-ins/server.js';

/** One adapter on one stand-in, ready to be tried. */
export interface Subject {
  readonly destination: Destination;
  readonly binding: Binding;
  /** Bound to a list that is not there. */
  readonly nowhere?: Binding;
  /** Absent for a destination without a network. */
  readonly server?: StandInServer;
  /** What the stand-in holds as suppressed now, in its own form. */
  suppressed(): Promise<readonly string[]> | readonly string[];
  /** Puts an address there as somebody else would, for the tests of read-back. */
  plant?(address: string): void;
  close(): Promise<void>;
}

export interface Traits {
  /** `wrongSecret` makes an adapter whose credentials the stand-in refuses. */
  make(options?: { readonly wrongSecret?: boolean }): Promise<Subject>;
  /** The form in which the stand-in holds an address: lower case unless told. */
  readonly form?: (address: string) => string;
  /** An address the provider refuses, and whether it names it (`parked`) or refuses the batch (`refused`). */
  readonly bad?: { readonly address: string; readonly outcome: 'parked' | 'refused' };
  /** False where a lift never changes anything there. */
  readonly lifts?: boolean;
  /** What the provider calls an entry we made: `unsubscribed` unless told. */
  readonly kind?: ReadBackEntry['kind'];
  /** Texts that must be in no error. */
  readonly secrets: readonly string[];
  /** Addresses that the provider's own rules exclude from the odd ones. */
  readonly without?: readonly string[];
  /** What it is tried with: email addresses unless told. */
  readonly contacts?: 'email' | 'phone';
}

/** Addresses that break whoever forgets to encode one. */
export const ODD = [
  'plain@example.com',
  'plus+tag@example.com',
  "o'brien@example.com",
  'slash/and?query=1&x=2#frag@example.com',
  'percent%40sign%2F@example.com',
  'star*bang!dollar$@example.com',
  '"quoted local"@example.com',
  '"back\\\\slash;semi,colon"@example.com',
  'unicodé@exämple.com',
  'ö@xn--exmple-cua.com',
  '=cmd|calc@example.com',
  '{curly}|pipe^~`tick@example.com',
  'UPPER.Case@Example.COM',
  `${'l'.repeat(64)}@${'d'.repeat(60)}.example.com`,
];

/** Numbers that break whoever compares texts: with a second spelling in use, short, of countries of many lengths. */
export const ODD_NUMBERS = [
  '+14155550100',
  '+5215512345678',
  '+551187654321',
  '+541123456789',
  '+22997123456',
  '+4915112345678',
  '+390612345678',
  '+6738123456',
];

export function entry(address: string, index = 0): Entry {
  return {
    ref: `ref-${index}`,
    type: address.startsWith('+') && !address.includes('@') ? 'phone' : 'email',
    address,
    reason: 'opted_out',
    since: Date.UTC(2026, 2, 3),
    receipt: 'r_ABCD-EFGH',
  };
}

export function batch(size: number, start = 0): Entry[] {
  return Array.from({ length: size }, (_, i) => entry(`person${start + i}@example.com`, start + i));
}

/** Builds a destination as the worker does: schemas first, then `create`. */
export function build<S, T>(
  adapter: Adapter<S, T>,
  settings: unknown,
  bindings: readonly Binding[],
  options: { readonly now?: () => number; readonly dataDir?: string } = {},
): Destination {
  const now = options.now ?? Date.now;
  for (const binding of bindings) adapter.target.parse(binding.target);
  return adapter.create(
    adapter.settings.parse(settings),
    { http: createHttp({ now }), now, machine, name: 'tested', dataDir: options.dataDir ?? '.' },
    bindings,
  );
}

export function bind(target: Readonly<Record<string, unknown>>, name = 'offers', topic = '*'): Binding {
  return { name, scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic }, target };
}

/** People with a telephone. */
export function phones(size: number, start = 0): Entry[] {
  return Array.from({ length: size }, (_, i) => entry(`+1415${5_550_000 + start + i}`, start + i));
}

export const never = () => new AbortController().signal;

export async function faultOf(promise: Promise<unknown>): Promise<ProviderError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ProviderError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

async function readAll(destination: Destination, binding: Binding): Promise<{ found: ReadBackEntry[]; pages: number }> {
  const found: ReadBackEntry[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await destination.readBack?.(binding, cursor, never());
    found.push(...(page?.entries ?? []));
    cursor = page?.next;
    if (++pages > 1000) throw new Error('read-back does not end');
  } while (cursor !== undefined);
  return { found, pages };
}

/** Sends in batches of the adapter's limit and waits until the provider is done, as the worker does. */
export async function settle(
  destination: Destination,
  binding: Binding,
  action: 'suppress' | 'lift',
  entries: readonly Entry[],
): Promise<{ parked: { readonly ref: string; readonly why: string }[] }> {
  const limit = destination.limits[action];
  const parked: { readonly ref: string; readonly why: string }[] = [];
  for (let i = 0; i < entries.length; i += limit) {
    const sent = await destination.send(binding, action, entries.slice(i, i + limit), never());
    parked.push(...(sent.parked ?? []));
    if (sent.job === undefined) continue;
    let state: JobState | 'no poll' = 'working';
    for (let tries = 0; state === 'working' && tries < 20; tries++)
      state = (await destination.poll?.(sent.job, never())) ?? 'no poll';
    if (state !== 'done') throw new Error(`the job ended as ${JSON.stringify(state)}`);
  }
  return { parked };
}

/** What every adapter must do, whatever is behind it. */
export function conformance(name: string, traits: Traits): void {
  const form = traits.form ?? ((address: string) => address.toLowerCase());
  const byPhone = traits.contacts === 'phone';
  const people = byPhone ? phones : batch;
  const odd = (byPhone ? ODD_NUMBERS : ODD).filter((address) => !traits.without?.includes(address));
  const absent = byPhone ? '+14155559999' : 'never.there@example.com';
  const sorted = (addresses: readonly string[]) => [...addresses].sort();
  const forms = (entries: readonly Entry[]) => sorted([...new Set(entries.map((one) => form(one.address)))]);

  describe(`${name}: as every destination`, () => {
    const open: Subject[] = [];
    const make = async (options?: { wrongSecret?: boolean }) => {
      const subject = await traits.make(options);
      open.push(subject);
      return subject;
    };
    const held = async (subject: Subject) => sorted(await subject.suppressed());
    const hasNetwork = async () => (await make()).server !== undefined;
    afterEach(async () => {
      for (const subject of open.splice(0)) await subject.close();
    });

    test('a full batch is suppressed, and saying it again changes nothing', async () => {
      const subject = await make();
      const entries = people(subject.destination.limits.suppress);
      for (let round = 0; round < 2; round++) {
        const sent = await settle(subject.destination, subject.binding, 'suppress', entries);
        expect(sent.parked).toEqual([]);
        expect(await held(subject)).toEqual(forms(entries));
      }
    });

    test('addresses with odd characters arrive whole', async () => {
      const subject = await make();
      await settle(subject.destination, subject.binding, 'suppress', odd.map(entry));
      expect(await held(subject)).toEqual(forms(odd.map(entry)));
    });

    test('errors name neither addresses nor secrets', async () => {
      const subject = await make();
      if (!subject.server) return;
      const address = byPhone ? '+14155550123' : 'somebody.private@example.com';
      subject.server.fault({
        kind: 'answer',
        answer: { status: 400, json: { message: `${address} refused for ${traits.secrets.join(' ')}` } },
      });
      const error = await faultOf(settle(subject.destination, subject.binding, 'suppress', [entry(address)])).catch(
        () => new ProviderError('refused', ''),
      );
      for (const secret of [address, ...traits.secrets]) expect(String(error)).not.toContain(secret);
    });

    if (traits.lifts !== false) {
      test('a lift takes off exactly those named, also those that are not there', async () => {
        const subject = await make();
        await settle(subject.destination, subject.binding, 'suppress', odd.map(entry));
        const lifted = odd.slice(0, -2);
        await settle(subject.destination, subject.binding, 'lift', [...lifted, absent].map(entry));
        expect(await held(subject)).toEqual(forms(odd.slice(-2).map(entry)));
        await settle(subject.destination, subject.binding, 'lift', lifted.map(entry));
        expect(await held(subject)).toEqual(forms(odd.slice(-2).map(entry)));
      });

      test('a full batch is lifted', async () => {
        const subject = await make();
        const entries = people(subject.destination.limits.lift);
        await settle(subject.destination, subject.binding, 'suppress', entries);
        expect(await held(subject)).toEqual(forms(entries));
        await settle(subject.destination, subject.binding, 'lift', entries);
        expect(await held(subject)).toEqual([]);
      });
    }

    if (traits.lifts !== false) {
      test('a 503 after a lift took place, at whichever call, is mended by saying it again', async () => {
        const first = await make();
        if (!first.server) return;
        await settle(first.destination, first.binding, 'suppress', people(3));
        const before = first.server.asked.length;
        await settle(first.destination, first.binding, 'lift', people(2));
        const calls = first.server.asked.length - before;
        for (let n = 0; n < Math.min(calls, 4); n++) {
          const subject = await make();
          await settle(subject.destination, subject.binding, 'suppress', people(3));
          subject.server?.fault({ kind: 'answer', answer: { status: 503, json: {} }, afterEffect: true }, n);
          const lifting = settle(subject.destination, subject.binding, 'lift', people(2));
          expect((await faultOf(lifting)).fault).toBe('unavailable');
          await settle(subject.destination, subject.binding, 'lift', people(2));
          expect(await held(subject)).toEqual(forms(people(1, 2)));
        }
      });
    }

    test('wrong credentials stop the destination', async () => {
      if (!(await hasNetwork())) return;
      const subject = await make({ wrongSecret: true });
      expect((await faultOf(subject.destination.send(subject.binding, 'suppress', people(2), never()))).fault).toBe(
        'credentials',
      );
      expect(await held(subject)).toEqual([]);
    });

    test('a 403 stops the destination', async () => {
      const subject = await make();
      if (!subject.server) return;
      subject.server.fault({ kind: 'answer', answer: { status: 403, json: {} } });
      expect((await faultOf(subject.destination.send(subject.binding, 'suppress', people(2), never()))).fault).toBe(
        'credentials',
      );
    });

    test('a 429 tells how long to wait, at whichever call it comes', async () => {
      const subject = await make();
      if (!subject.server) return;
      await settle(subject.destination, subject.binding, 'suppress', people(2));
      const calls = subject.server.asked.length;
      for (let n = 0; n < Math.min(calls, 3); n++) {
        const fresh = await make();
        fresh.server?.fault({ kind: 'answer', answer: { status: 429, headers: { 'retry-after': '7' }, json: {} } }, n);
        const error = await faultOf(settle(fresh.destination, fresh.binding, 'suppress', people(2)));
        expect(error).toMatchObject({ fault: 'rate_limited', retryAfter: 7 });
      }
    });

    test('a 503 after the effect took place, at whichever call, is mended by saying it again', async () => {
      const first = await make();
      if (!first.server) return;
      await settle(first.destination, first.binding, 'suppress', people(3));
      const calls = first.server.asked.length;
      for (let n = 0; n < Math.min(calls, 4); n++) {
        const subject = await make();
        subject.server?.fault({ kind: 'answer', answer: { status: 503, json: {} }, afterEffect: true }, n);
        expect((await faultOf(settle(subject.destination, subject.binding, 'suppress', people(3)))).fault).toBe(
          'unavailable',
        );
        await settle(subject.destination, subject.binding, 'suppress', people(3));
        expect(await held(subject)).toEqual(forms(people(3)));
      }
    });

    test('a cut connection leaves the outcome unknown', async () => {
      const subject = await make();
      if (!subject.server) return;
      subject.server.fault({ kind: 'cut' });
      expect((await faultOf(subject.destination.send(subject.binding, 'suppress', people(2), never()))).fault).toBe(
        'unavailable',
      );
    });

    test('at the deadline the call ends and its socket is destroyed', async () => {
      const subject = await make();
      if (!subject.server) return;
      subject.server.fault({ kind: 'hang' });
      const lease = new AbortController();
      const sending = faultOf(subject.destination.send(subject.binding, 'suppress', people(2), lease.signal));
      setTimeout(() => lease.abort(), 50);
      expect((await sending).fault).toBe('unavailable');
      for (let i = 0; i < 100 && subject.server.dropped() === 0; i++) await new Promise((done) => setTimeout(done, 10));
      expect(subject.server.dropped()).toBe(1);
    });

    test('after the deadline nothing is sent', async () => {
      const subject = await make();
      const gone = AbortSignal.abort();
      for (const action of ['suppress', ...(traits.lifts === false ? [] : (['lift'] as const))] as const) {
        expect((await faultOf(subject.destination.send(subject.binding, action, people(2), gone))).fault).toBe(
          'unavailable',
        );
      }
      expect(await held(subject)).toEqual([]);
      expect(subject.server?.asked ?? []).toEqual([]);
    });

    test('a list that does not exist there is a fault of the catalog: nobody is parked for it', async () => {
      const subject = await make();
      if (!subject.nowhere) return;
      const sending = settle(subject.destination, subject.nowhere, 'suppress', people(2));
      expect((await faultOf(sending)).fault).toBe('credentials');
      expect(await held(subject)).toEqual([]);
    });

    const bad = traits.bad;
    if (bad) {
      test('one bad address in a full batch does not keep the others from being suppressed', async () => {
        const subject = await make();
        const good = people(subject.destination.limits.suppress - 1);
        const entries = [...good.slice(0, 1), { ...entry(bad.address, 999_999), ref: 'bad' }, ...good.slice(1)];
        if (bad.outcome === 'parked') {
          const sent = await settle(subject.destination, subject.binding, 'suppress', entries);
          expect(sent.parked.map((one) => one.ref)).toEqual(['bad']);
          expect(sent.parked[0]?.why).not.toContain(bad.address);
        } else {
          const error = await faultOf(settle(subject.destination, subject.binding, 'suppress', entries));
          expect(error.fault).toBe('refused');
          expect(error.message).not.toContain(bad.address);
          // What the worker does then.
          await settle(subject.destination, subject.binding, 'suppress', good);
        }
        expect(await held(subject)).toEqual(forms(good));
      });
    }

    test('read-back gives every address once, page after page', async () => {
      const subject = await make();
      const { destination, binding } = subject;
      if (!destination.readBack) return;
      const perCall = destination.limits.suppress;
      const entries = subject.plant ? people(1203) : people(Math.min(perCall, 200));
      if (subject.plant) for (const one of entries) subject.plant(one.address);
      else await settle(destination, binding, 'suppress', entries);
      const { found } = await readAll(destination, binding);
      expect(sorted(found.map((one) => one.address.toLowerCase()))).toEqual(sorted(entries.map((one) => one.address)));
      expect(new Set(found.map((one) => one.kind))).toEqual(new Set([traits.kind ?? 'unsubscribed']));
    });

    test('what is read back is recognised as the contact it is, whatever its characters', async () => {
      const subject = await make();
      const { destination, binding } = subject;
      if (!destination.readBack) return;
      const known = (address: string) => providerAddress('email', address, 'US')?.normalised;
      await settle(destination, binding, 'suppress', odd.map(entry));
      const { found } = await readAll(destination, binding);
      expect(sorted(found.map((one) => known(one.address) ?? one.address))).toEqual(
        sorted([...new Set(odd.map((address) => known(address) ?? address))]),
      );
      for (const one of found) if (one.at !== undefined) expect(Number.isInteger(one.at)).toBe(true);
    });

    test('after a lift it is off the list that is read back, unless the adapter says that a lift does nothing', async () => {
      const subject = await make();
      const { destination, binding } = subject;
      if (!destination.readBack || traits.lifts === false) return;
      await settle(destination, binding, 'suppress', people(3));
      await settle(destination, binding, 'lift', people(2));
      const left = destination.liftsNothing?.(binding) ? people(3) : people(1, 2);
      const { found } = await readAll(destination, binding);
      expect(sorted(found.map((one) => one.address.toLowerCase()))).toEqual(sorted(left.map((one) => one.address)));
    });

    test('a page of read-back that fails is read again from where it was', async () => {
      const subject = await make();
      const { destination, binding, server, plant } = subject;
      if (!destination.readBack || !server || !plant) return;
      const entries = people(40);
      for (const one of entries) plant(one.address);
      for (const [status, fault] of [
        [429, 'rate_limited'],
        [503, 'unavailable'],
        [401, 'credentials'],
      ] as const) {
        server.fault({ kind: 'answer', answer: { status, headers: { 'retry-after': '7' }, json: {} } });
        const error = await faultOf(destination.readBack(binding, undefined, never()));
        expect(error.fault).toBe(fault);
      }
      server.fault({ kind: 'hang' });
      expect((await faultOf(destination.readBack(binding, undefined, AbortSignal.timeout(30)))).fault).toBe(
        'unavailable',
      );
      const { found } = await readAll(destination, binding);
      expect(found).toHaveLength(40);
    });

    test('a look-up finds those held and no others', async () => {
      const subject = await make();
      const { destination, binding } = subject;
      if (!destination.lookup) return;
      const here = odd.slice(0, 6);
      await settle(destination, binding, 'suppress', here.map(entry));
      const found = await destination.lookup(
        binding,
        [...here, 'not.there@example.com', "n'ot/there?@example.com"],
        never(),
      );
      expect(sorted(found.map((one) => one.address.toLowerCase()))).toEqual(
        sorted(here.map((one) => one.toLowerCase())),
      );
    });
  });
}

/** Settings are checked before anything starts: an unknown field is a spelling mistake in the catalog. */
export function strictSettings(
  adapter: Adapter,
  settings: Readonly<Record<string, unknown>>,
  target: Readonly<Record<string, unknown>>,
): void {
  test('unknown fields in settings and targets are refused', () => {
    expect(adapter.settings.safeParse(settings).success).toBe(true);
    expect(adapter.settings.safeParse({ ...settings, baseURL: 'http://x' }).success).toBe(false);
    expect(adapter.target.safeParse(target).success).toBe(true);
    expect(adapter.target.safeParse({ ...target, nonsense: 1 }).success).toBe(false);
  });

  test('what it can receive is tried against all that a webhook must bear', () => {
    const { receive } = build(adapter, settings, [bind(target)]);
    const suite = readFileSync(expect.getState().testPath ?? '', 'utf8');
    expect(/\breceiving\(\{/.test(suite)).toBe(receive !== undefined);
  });
}
