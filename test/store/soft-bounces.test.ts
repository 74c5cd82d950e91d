import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Contacts } from '../../src/store/contacts.js';
import { createLedger } from '../../src/store/ledger.js';
import { createSoftBounceHistory } from '../../src/store/soft-bounces.js';
import { keyOf, openContacts, optOut } from './contact-setting.js';
import type { StoreSetting } from './setting.js';

let setting: StoreSetting;
let contacts: Contacts;
beforeAll(async () => {
  ({ setting, contacts } = await openContacts());
});
afterAll(() => setting?.close());

test('soft bounces are counted from the ledger and from what is pending', async () => {
  const ledger = createLedger(setting.connection);
  const bounce = (id: string, at: number, kind: 'soft' | 'hard') => {
    return { ...optOut(1, id).event, type: 'bounced' as const, kind, at };
  };
  await ledger.insert([
    { key: keyOf(1), number: 1, event: bounce('e_1', 1000, 'soft') },
    { key: keyOf(1), number: 2, event: bounce('e_2', 2000, 'soft') },
    { key: keyOf(1), number: 3, event: bounce('e_3', 3000, 'hard') },
  ]);
  await contacts.append([{ ...optOut(1), event: bounce('e_4', 4000, 'soft') }]);
  expect(await createSoftBounceHistory({ ledger, contacts }).after(keyOf(1), 1000)).toEqual([2000, 4000]);
});
