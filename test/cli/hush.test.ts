import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const SOURCE = path.resolve(import.meta.dirname, '../../src/cli/hush.ts');

test('the command line loads configuration and rules only, until a command runs', () => {
  const imports = [...readFileSync(SOURCE, 'utf8').matchAll(/^import (?!type )[^;]*'([^']+)';$/gm)].map(
    ([, from]) => from,
  );
  expect(imports).toContain('../config/environment.js');
  expect(
    imports.filter((from) => from?.startsWith('../') && !/^\.\.\/(config|core)\/|^\.\.\/machine\.js$/.test(from)),
  ).toEqual([]);
});
