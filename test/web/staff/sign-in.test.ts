import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';
import { signIn, visitor } from './browser.js';

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
});
