import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { adapters } from '../../../src/sync/destinations/index.js';

/** What each suite of the kit is called by; an adapter that lacks one was not tried against it. */
test.each(Object.keys(adapters))('%s is tried against the whole kit', async (name) => {
  const text = await readFile(path.join(import.meta.dirname, `${name}.test.ts`), 'utf8');
  expect(text).toMatch(/\bconformance\(/);
  expect(text).toMatch(/\bstrictSettings\(/);
  const source = await readFile(path.resolve(import.meta.dirname, `../../../src/sync/destinations/${name}.ts`), 'utf8');
  if (/^ {6}async receive\(/m.test(source)) expect(text).toMatch(/\breceiving\(/);
});
