import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createMailboxStore, type MailboxStore } from '../../src/store/mailbox.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let mailbox: MailboxStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  mailbox = createMailboxStore(setting.connection, { most: 2 });
});
afterAll(() => setting?.close());

const mail = (to: string) => ({ at: new Date(0), to, from: 'f', subject: '', raw: Buffer.from(`To: ${to}`) });

test('the newest mails are kept, newest first, and those of an erased address go', async () => {
  for (const to of ['a', 'b', 'c']) await mailbox.keep(mail(to));
  const [newest, ...others] = await mailbox.list();
  expect([newest, ...others].map((line) => line?.to)).toEqual(['c', 'b']);
  const { id, ...message } = (await mailbox.get(newest?.id ?? '')) ?? {};
  expect([id, message]).toEqual([newest?.id, mail('c')]);
  expect(await mailbox.get('no id')).toBeUndefined();
  await mailbox.forget((to) => to === 'c');
  expect((await mailbox.list()).map(({ to }) => to)).toEqual(['b']);
});
