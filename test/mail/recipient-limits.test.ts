import { expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { createFormMail, createRecipientLimits } from '../../src/mail/recipient-limits.js';

const HOUR = 3_600_000;
const time = { now: Date.UTC(2026, 5, 15, 1) };

/** Slots in memory, with the rules of the store. */
function slots() {
  const taken = new Map<string, string>();
  return {
    keys: taken,
    async takeSlot(key: string, day: string, perDay: number, mail: string): Promise<boolean> {
      for (let n = 0; n < perDay; n++) {
        const slot = `${key}:${day}:${n}`;
        if ((taken.get(slot) ?? mail) !== mail) continue;
        taken.set(slot, mail);
        return true;
      }
      return false;
    },
  };
}
function limits() {
  const store = slots();
  const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
  return {
    store,
    admit: createRecipientLimits({ store, keyring, country: 'US', clock: { now: () => time.now }, machine }),
  };
}

test('one asker has so many a day at a recipient, however the address is written, and others have theirs', async () => {
  const { admit, store } = limits();
  const spellings = ['jane@example.com', 'JANE@Example.COM', ' jane@example.com '];
  const results: boolean[] = [];
  for (let n = 0; n < 5; n++)
    results.push(await admit('your-link', spellings[n % 3] ?? '', { asker: '192.0.2', perDay: 3 }, `m${n}`));
  expect(results).toEqual([true, true, true, false, false]);
  expect(await admit('your-link', 'jane@example.com', { asker: '198.51.100', perDay: 3 }, 'own')).toBe(true);
  expect(await admit('your-link', 'joe@example.com', { asker: '192.0.2', perDay: 3 }, 'joe')).toBe(true);
  expect([...store.keys.keys()].join()).not.toMatch(/jane|joe|192/);
});

test('an address that was sealed before today’s rules gets its mail within its limits; two addresses are none', async () => {
  const { admit } = limits();
  const quota = { asker: '192.0.2', perDay: 1 };
  expect(await admit('k', 'jane@host', quota, 'm1')).toBe(true);
  expect(await admit('k', 'JANE@host', quota, 'm2')).toBe(false);
  await expect(admit('k', 'a@example.com, b@example.com', quota, 'm3')).rejects.toMatchObject({ kind: 'invalid' });
});

test('all askers together have an end, and another day begins anew', async () => {
  const { admit } = limits();
  const ask = (n: number) => admit('k', 'a@example.com', { asker: `network ${n}`, perDay: 2 }, `m${n}`);
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
  expect(results.filter(Boolean)).toHaveLength(6);
  time.now += 24 * HOUR;
  expect(await ask(30)).toBe(true);
});

test('the same mail keeps its place, and two at once are one', async () => {
  const { admit } = limits();
  const quota = { asker: 'n', perDay: 3, everyMs: 300_000 };
  expect(await admit('k', 'b@example.com', quota, 'first')).toBe(true);
  expect(await admit('k', 'b@example.com', quota, 'first')).toBe(true);
  expect(await admit('k', 'b@example.com', quota, 'second')).toBe(false);
  time.now += 300_000;
  expect(await admit('k', 'b@example.com', quota, 'third')).toBe(true);
});

test('what is over a limit is not handed over; what no form caused has none', async () => {
  const { admit } = limits();
  const queued: string[] = [];
  const send = createFormMail(admit, async ({ id }: { id: string; template: string; to: string }) => {
    queued.push(id);
    return 'queued';
  });
  const mail = { template: 'confirm', to: 'c@example.com' };
  expect(await send({ ...mail, id: '1', quota: { asker: 'x', perDay: 1 } })).toBe('queued');
  expect(await send({ ...mail, id: '2', quota: { asker: 'x', perDay: 1 } })).toBe('over_quota');
  expect(await send({ ...mail, id: '3' })).toBe('queued');
  expect(queued).toEqual(['1', '3']);
});
