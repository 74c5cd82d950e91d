import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffSessions } from '../../src/store/staff-sessions.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
beforeAll(async () => {
  setting = await openStoreSetting();
});
afterAll(() => setting?.close());

test('a session lies sealed in the database, and one that does not open any more is empty', async () => {
  const sessions = createStaffSessions(setting.connection);
  const seal = { seal: (text: string) => `sealed ${btoa(text)}`, open: (text: string) => atob(text.slice(7)) };
  const store = sessions.storeFor(60, seal);
  await new Promise((done) => store.set('s', { cookie: {}, user: 'dana' } as never, done));
  expect(JSON.stringify(await setting.all('staff_sessions'))).not.toContain('dana');
  const read = (from: typeof store) => new Promise((done) => from.get('s', (_error, session) => done(session)));
  expect(await read(store)).toMatchObject({ user: 'dana' });
  expect(await read(sessions.storeFor(60, { ...seal, open: () => undefined }))).toEqual({ cookie: {} });
  await sessions.endAll();
  expect(await setting.all('staff_sessions')).toEqual([]);
});
