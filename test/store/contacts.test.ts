import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../src/core/keys.js';
import { type Hush, startHush } from '../support/hush.js';

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const LIST = new URLSearchParams({ ...SCOPE, include: 'standing' });
/** A contact holds so many pending events itself; the next one goes to the overflow. */
const PENDING_LIMIT = 200;

let hush: Hush;
beforeAll(async () => {
  // Nothing else reads contacts meanwhile, and the test says when events are projected.
  hush = await startHush({ destinations: [], env: { HUSH_ROLE: 'web' } });
  await hush.hush.projection.stop();
});
afterAll(() => hush?.stop());

interface Accepted {
  readonly accepted: readonly { readonly receipt: string; readonly contact: string }[];
}

/** A contact with a full array of opt-ins, and the opt-out that came last in the overflow. */
async function hotContact(email: string): Promise<{ contact: string; receipt: string; key: Buffer }> {
  const event = (type: string) => ({ contact: { email }, type, scope: SCOPE, source: { kind: 'api' } });
  await hush.ask('/v1/events', { events: Array.from({ length: PENDING_LIMIT }, () => event('opted_in')) });
  const { accepted } = await hush.ask<Accepted>('/v1/events', { events: [event('opted_out')] });
  const { contact = '', receipt = '' } = accepted[0] ?? {};
  const key = contactKeyFromText(contact) ?? Buffer.alloc(0);
  expect((await hush.hush.stores.contacts.get(key))?.overflow).toBe(1);
  return { contact, receipt, key };
}

/** Runs `work` with `act` done right before its read number `nth` (from 0) of contacts or overflow. Whether it came to it. */
async function interleaved(nth: number, act: () => Promise<unknown>, work: () => Promise<unknown>): Promise<boolean> {
  let reads = 0;
  let acted = false;
  const collections = hush.hush.stores.contacts.models.map(({ collection }) => collection);
  const originals = collections.map((collection) => collection.find);
  for (const collection of collections) {
    const find = collection.find.bind(collection);
    Object.assign(collection, {
      find: (...query: Parameters<typeof find>) => {
        const cursor = find(...query);
        const toArray = cursor.toArray.bind(cursor);
        return Object.assign(cursor, {
          toArray: async () => {
            if (reads++ === nth && !acted) {
              acted = true;
              await act();
            }
            return toArray();
          },
        });
      },
    });
  }
  try {
    await work();
  } finally {
    for (const [at, collection] of collections.entries()) Object.assign(collection, { find: originals[at] });
  }
  return acted;
}

describe('an opt-out in the overflow is seen whenever the projector moves it meanwhile, by', () => {
  const readers: Readonly<
    Record<string, (hot: { contact: string; receipt: string; email: string }) => Promise<unknown>>
  > = {
    'a decision': async ({ email }) => (await hush.decide({ email })).reason,
    'a decision by key': async ({ contact }) => (await hush.decide({ key: contact })).reason,
    'a batch': async ({ email }) =>
      (
        await hush.ask<{ decisions: { reason: string }[] }>('/v1/decisions/batch', {
          ...SCOPE,
          contacts: [{ email: 'stranger@example.com' }, { email }],
        })
      ).decisions[1]?.reason,
    'a lookup': async ({ email }) => {
      const { denials } = await hush.ask<{ denials: { standing: boolean }[] }>('/v1/contacts/lookup', {
        contact: { email },
      });
      return denials.some(({ standing }) => standing) ? 'opted_out' : denials;
    },
    'the list of suppressions': async ({ email }) => {
      const rows = (await (await hush.get(`/v1/suppressions?${LIST}`)).text()).split('\n').filter((row) => row !== '');
      return rows.map((row) => JSON.parse(row)).find(({ address }) => address === email)?.reason;
    },
    'its receipt': async ({ receipt }) => (await hush.ask<{ type: string }>(`/v1/receipts/${receipt}`)).type,
  };

  test.each(Object.keys(readers))('%s', async (name) => {
    let reached = true;
    let nth = 0;
    for (; reached; nth++) {
      const email = `${name.replaceAll(' ', '-')}-${nth}@example.com`;
      const hot = await hotContact(email);
      reached = await interleaved(
        nth,
        () => hush.hush.projector.project([hot.key]),
        async () => {
          expect([nth, await readers[name]?.({ ...hot, email })]).toEqual([nth, 'opted_out']);
        },
      );
    }
    // Reads of the contact and of its overflow at least, or nothing was interleaved.
    expect(nth).toBeGreaterThan(2);
  });
});

test('a projector that another one overtakes between its reads forgets no overflow that arrived since', async () => {
  const { stores, projector, accept } = hush.hush;
  for (let nth = 0, reached = true; reached; nth++) {
    const { key } = await hotContact(`overtaken-${nth}@example.com`);
    const overtake = async () => {
      const stored = await stores.contacts.get(key);
      if (!stored) throw new Error('no contact');
      // The other has moved all that there was; the count of overflow begins anew, and the next event makes it 1 again.
      const { rev, state, entries, overflow } = stored;
      const none = { movedIds: [], scopes: [], pendingSyncs: [], keyedOnly: false, erasing: false, changed: false };
      await stores.contacts.project([{ ...none, key, rev, state, entries, overflow, configuration: '' }]);
      await accept.accept({ subject: { key, type: 'email' }, type: 'objected', source: { kind: 'api' } });
    };
    reached = await interleaved(nth, overtake, () => projector.project([key]));
    expect(nth < 3).toBe(reached);
    await projector.project([key]);
    const ledger = await stores.ledger.ofContact(key);
    expect([nth, ledger.filter(({ event }) => event.type === 'objected').length]).toEqual([nth, reached ? 1 : 0]);
    expect(await stores.contacts.get(key)).toMatchObject({ pending: [], overflow: 0 });
  }
});
