import { expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../../src/core/keys.js';
import { machine } from '../../../src/machine.js';
import { createResults } from '../../../src/web/public/results.js';

const MINUTE = 60_000;
let now = Date.UTC(2030, 5, 15);
const keyring = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
const resultsWith = (words: readonly string[]) =>
  createResults({
    keyring,
    clock: { now: () => now, recorded: () => now * 1024 },
    hasWord: (key) => words.includes(key),
  });

test('a result opens for its link and for half an hour', () => {
  const results = resultsWith(['saved']);
  const sealed = results.seal('link', { lines: [{ key: 'saved' }], receipts: ['r'] });
  expect(results.open('link', sealed)).toMatchObject({ lines: [{ key: 'saved' }], receipts: ['r'], at: now });
  expect(results.open('other', sealed)).toBeUndefined();
  now += 31 * MINUTE;
  expect(results.open('link', sealed)).toBeUndefined();
});

test('a sentence that this process has no word for is left out, and the rest is said', () => {
  const newer = resultsWith(['saved', 'new']);
  const sealed = newer.seal('link', { lines: [{ key: 'new' }, { key: 'saved' }], receipts: ['r'] });
  expect(resultsWith(['saved']).open('link', sealed)).toMatchObject({ lines: [{ key: 'saved' }], receipts: ['r'] });
});
