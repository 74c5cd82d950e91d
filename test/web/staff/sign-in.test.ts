import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';
import { signIn } from './browser.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

describe('signing in', () => {
  test('an agent chooses who to be and sees the overview', async () => {
    const { first } = await signIn(hush, 'agent');
    expect(first).toMatchObject({ status: 200, at: '/staff' });
    expect(first.text).toContain('Dana Reyes, agent');
  });
  for (const user of ['agent', 'supervisor', 'privacy_officer', 'admin', 'auditor'])
    test(user, async () => {
      const who = await signIn(hush, user);
      for (const path of [
        '/staff',
        '/staff/call',
        '/staff/calls',
        '/staff/people',
        '/staff/approvals',
        '/staff/exports',
        '/staff/receipts',
        '/staff/destinations',
        '/staff/audit',
        '/staff/queues/',
      ]) {
        const a = await who.get(path);
        console.log(user, path, a.status, a.text.length);
      }
    });
});
