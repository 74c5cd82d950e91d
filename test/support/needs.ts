import path from 'node:path';
import { describe, test } from '@jest/globals';

/** Files of others that are never copied into the project: official API descriptions and a corpus of returned mail. */
export const SHARED = path.resolve(process.env.HUSH_SHARED ?? '../shared');

/**
 * `describe` and `test` for what needs something a machine may lack. `missing` says what is not there and how to get it, or is
 * undefined when all is there. Without it the tests are skipped and listed with the reason at the end of the run; in CI
 * they fail, so that nothing goes untried unnoticed.
 */
export function needing(missing: string | undefined) {
  const absent = (title: string) => `${title} [${missing}]`;
  const fail = (title: string) =>
    test(absent(title), () => {
      throw new Error(`CI must have everything: ${missing}`);
    });
  return {
    describe(title: string, body: () => void): void {
      if (missing === undefined) describe(title, body);
      else if (process.env.CI) fail(title);
      else describe.skip(absent(title), () => undefined);
    },
    test(title: string, body: () => Promise<void> | void): void {
      if (missing === undefined) test(title, body);
      else if (process.env.CI) fail(title);
      else test.skip(absent(title), () => undefined);
    },
  };
}
