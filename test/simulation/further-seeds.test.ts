import { expect, test } from '@jest/globals';
import { failureAmong } from './seeds.js';

// In a file of its own, so that it runs beside the first half.
test('the record under simulated time holds its promises in further seeds', async () => {
  expect(await failureAmong(251, 250)).toBeUndefined();
}, 600_000);
