import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Scenario } from './acts.js';
import { runScenario } from './run.js';
import { failureAmong, runSeed } from './seeds.js';

const CORPUS = path.join(import.meta.dirname, 'corpus');

describe('the record under simulated time', () => {
  test('holds its promises in the first seeds', async () => {
    expect(await failureAmong(1, 250)).toBeUndefined();
  }, 600_000);

  test('takes the same way twice for the same seed', async () => {
    const first = await runSeed(12);
    expect(first.steps).toBeGreaterThan(300);
    expect(await runSeed(12)).toEqual(first);
    expect((await runSeed(13)).digest).not.toBe(first.digest);
  });

  test.each(readdirSync(CORPUS))('holds them where it once did not: %s', async (file) => {
    const { scenario }: { scenario: Scenario } = JSON.parse(readFileSync(path.join(CORPUS, file), 'utf8'));
    expect((await runScenario(scenario)).broken?.message).toBeUndefined();
  });
});
