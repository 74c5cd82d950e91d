import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ASSETS = path.resolve(import.meta.dirname, '../../../public');
const styles = readdirSync(ASSETS)
  .filter((name) => name.endsWith('.css'))
  .map((name) => [name, readFileSync(path.join(ASSETS, name), 'utf8')] as const);

test.each(styles)('%s sizes no text in pixels, so that a browser’s larger font enlarges all of it', (_name, css) => {
  expect(css.match(/font(-size)?:[^;}]*\dp[xt]\b/g)).toBeNull();
});

test.each(styles)('%s names no side left or right, so that it reads from either', (_name, css) => {
  expect(css.match(/(?:^|[;{\s])(?:margin|padding|border|inset)?-?(?:left|right):/g)).toBeNull();
  expect(css.match(/text-align:(?:left|right)|float:(?:left|right)/g)).toBeNull();
});
