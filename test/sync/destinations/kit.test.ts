import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { adapters } from '../../../src/sync/destinations/index.js';

/** What each suite of the kit is called by; `strictSettings` looks whether a webhook is tried too. */
test.each(Object.keys(adapters))('%s is tried against the whole kit', async (name) => {
  const text = await readFile(path.join(import.meta.dirname, `${name}.test.ts`), 'utf8');
  expect(text).toMatch(/\bconformance\(/);
  expect(text).toMatch(/\bstrictSettings\(/);
});
