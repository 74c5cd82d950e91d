import { expect, test } from '@jest/globals';
import type { State } from '../../../src/core/fold.js';
import { isOutdated } from '../../../src/web/public/preference-view.js';
import type { OpenedResult } from '../../../src/web/public/results.js';

const AT = Date.UTC(2030, 5, 15);
const result = (key: string): OpenedResult => ({
  lines: [{ key }],
  receipts: ['own'],
  standing: [],
  refused: [],
  undo: 0,
  good: true,
  sealed: '',
  at: AT,
});
const denied = (id: string, at: number): { state: State } => ({
  state: {
    horizon: 0,
    atoms: [
      {
        t: 'denial',
        type: 'opted_out',
        scope: { brand: '*', channel: '*', purpose: 'marketing', topic: '*' },
        at,
        recorded: at * 1024,
        id,
      },
    ],
  },
});

test('a result is outdated once something else was recorded after it', async () => {
  expect(await isOutdated(result('preferences.saved'), async () => denied('another', AT + 1000))).toBe(true);
  expect(await isOutdated(result('preferences.saved'), async () => denied('another', AT - 1000))).toBe(false);
  expect(await isOutdated(result('preferences.saved'), async () => denied('own', AT + 1000))).toBe(false);
});

test('that a link was mailed says nothing of the contact, so the contact is not read for it', async () => {
  const readView = () => Promise.reject(new Error('read without need'));
  expect(await isOutdated(result('preferences.freshSent'), readView)).toBe(false);
});
