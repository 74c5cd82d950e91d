import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { contactKeyFromText } from '../../src/core/keys.js';
import { type Hush, startHush } from '../support/hush.js';

const time = { now: Date.parse('2026-06-15T15:00:00Z') };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], machineTime: () => time.now });
  // The test says when events are projected.
  await hush.hush.projection.stop();
});
afterAll(() => hush?.stop());

describe('a retry of an event without a time, after the person has decided otherwise', () => {
  let key: Buffer = Buffer.alloc(0);
  async function say(email: string, type: string, id?: string): Promise<void> {
    time.now += 60_000;
    const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
      events: [{ contact: { email }, type, ...(id === undefined ? {} : { id }), source: { kind: 'api' } }],
    });
    key = contactKeyFromText(accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
  }

  test.each([
    ['while the first is pending', 'pending@example.com', []],
    ['when the first is in the ledger', 'moved@example.com', ['first']],
    ['when another has taken the place of the first', 'replaced@example.com', ['first', 'second']],
  ])('changes nothing: %s', async (_name, email, projected) => {
    await say(email, 'opted_out', `first ${email}`);
    if (projected.includes('first')) await hush.hush.projector.project([key]);
    if (projected.includes('second')) {
      await say(email, 'opted_out', `second ${email}`);
      await hush.hush.projector.project([key]);
    }
    await say(email, 'opted_in');
    await say(email, 'opted_out', `first ${email}`);
    await hush.hush.projector.project([key]);
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    const stored = await hush.hush.stores.contacts.get(key);
    const ledger = (await hush.hush.stores.ledger.ofContact(key)).map(({ event }) => event);
    expect(ledger).toHaveLength(2 + Number(projected.includes('second')));
    expect(stored?.pending).toEqual([]);
    expect(stored?.state.atoms).toEqual(fold(EMPTY_STATE, ledger).atoms);
  });

  test('of a consent from before an erasure brings no address back', async () => {
    const email = 'erased@example.com';
    await say(email, 'consent_granted', 'consent');
    await hush.hush.projector.project([key]);
    await say(email, 'erased');
    await hush.hush.projector.project([key]);
    await hush.hush.sweeper.once();
    expect(await hush.hush.stores.contacts.get(key)).toMatchObject({ keyedOnly: true });
    await say(email, 'consent_granted', 'consent');
    await hush.hush.projector.project([key]);
    const stored = await hush.hush.stores.contacts.get(key);
    expect([stored?.keyedOnly, stored?.address, stored?.dataKey]).toEqual([true, undefined, undefined]);
    expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'erased' });
  });
});
