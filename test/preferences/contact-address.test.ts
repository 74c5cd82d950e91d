import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../src/core/keys.js';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
  // The test says when events are projected.
  await hush.hush.projection.stop();
});
afterAll(() => hush?.stop());

async function say(contact: object, ...types: string[]): Promise<Buffer> {
  const events = types.map((type) => ({
    contact,
    type,
    ...(type === 'erased' ? {} : { scope: SCOPE }),
    source: { kind: 'api' },
  }));
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', { events });
  return contactKeyFromText(accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
}

/** Addresses or hashes in the list of suppressions; how many contacts it leaves out as keyed only is in the trailer. */
async function suppressions(more: Record<string, string> = {}): Promise<string[]> {
  const query = new URLSearchParams({ ...SCOPE, include: 'standing', ...more });
  const text = await (await hush.get(`/v1/suppressions?${query}`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .map(({ address, hash }) => address ?? hash);
}

describe('a contact that was accepted a moment ago has its address', () => {
  test.each([
    [{ email: 'New@Example.com' }, 'New@Example.com'],
    [{ phone: '+1 920 555 0143' }, '+19205550143'],
    [{ id: 'crm:4711' }, 'crm:4711'],
  ])('in the list of suppressions, by address and by hash: %j', async (contact, address) => {
    const before = (await suppressions({ hash: 'sha256' })).length;
    await say(contact, 'opted_out');
    expect(await suppressions()).toContain(address);
    expect(await suppressions({ hash: 'sha256' })).toHaveLength(before + 1);
  });

  test('in a lookup, masked', async () => {
    const contact = { email: 'moment@example.com' };
    await say(contact, 'opted_out');
    expect(await hush.ask('/v1/contacts/lookup', { contact })).toMatchObject({ masked: 'm•••@example.com' });
  });

  test('also where a join made the contact before anybody had heard of it', async () => {
    const [one, two] = [{ email: 'joined-first@example.com' }, { email: 'joined-second@example.com' }];
    await hush.ask('/v1/contacts/link', { contacts: [one, two] });
    await say(two, 'opted_out');
    expect(await suppressions()).toContain('joined-second@example.com');
  });
});

describe('an erasure', () => {
  test('that follows the opt-out before it is projected waits until destinations have learned of the opt-out', async () => {
    const { projector, worker, destinations, sweeper, stores } = hush.hush;
    const email = 'gone-at-once@example.com';
    const key = await say({ email }, 'opted_out', 'erased');
    await projector.project([key]);
    expect((await stores.contacts.get(key))?.pendingSyncs).toHaveLength(1);
    for (const bound of destinations.values()) await worker.work(bound);
    const told = await stores.contacts.get(key);
    expect(told?.synced.file?.bindings.offers?.suppressed).toBe(true);
    await sweeper.once();
    const left = await stores.contacts.get(key);
    expect([left?.keyedOnly, left?.address, left?.dataKey]).toEqual([true, undefined, undefined]);
    expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'erased' });
  });

  test('is not undone by a later opt-out: no address is shown, pending or not', async () => {
    const { projector, sweeper, stores } = hush.hush;
    const email = 'stays-gone@example.com';
    const key = await say({ email }, 'erased');
    await projector.project([key]);
    for (const bound of hush.hush.destinations.values()) await hush.hush.worker.work(bound);
    // One that was under way already may have come too early for it.
    await until(async () => {
      await sweeper.once();
      return (await stores.contacts.get(key))?.keyedOnly === true;
    });
    await say({ email }, 'opted_out');
    expect(await suppressions()).not.toContain(email);
    await projector.project([key]);
    expect(await suppressions()).not.toContain(email);
  });
});
