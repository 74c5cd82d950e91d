import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openStoreSetting, type StoreSetting } from '../../store/setting.js';
import type { AnyCommand } from './arbitrary-commands.js';
import { anyRead } from './arbitrary-reads.js';
import { anyWrite } from './arbitrary-writes.js';
import { answersOf, documentsOf, INDEXES } from './comparing.js';
import { createSimulatedMongo } from './server.js';

let setting: StoreSetting;
beforeAll(async () => {
  setting = await openStoreSetting();
  await setting.connection.db?.command(INDEXES);
});
afterAll(() => setting?.close());

/** More, and other ones, for a night: `DIFFERENTIAL_RUNS=20000 DIFFERENTIAL_SEED=7`. */
const RUNS = Number(process.env.DIFFERENTIAL_RUNS ?? 200);
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 1);

const commands = fc.array(fc.oneof({ weight: 3, arbitrary: anyWrite }, { weight: 2, arbitrary: anyRead }), {
  minLength: 1,
  maxLength: 12,
});

async function compareAll(list: readonly AnyCommand[]): Promise<void> {
  const real = setting.connection;
  await real.collection('c').deleteMany({}, { writeConcern: { w: 'majority' } });
  const both = { real, simulated: createSimulatedMongo({ now: Date.now }) };
  both.simulated.execute('hush', INDEXES);
  for (const one of list) {
    const answers = await answersOf(both, one);
    expect(answers.simulated).toEqual(answers.real);
  }
  const documents = await documentsOf(both);
  expect(documents.simulated).toEqual(documents.real);
}

test('random commands are answered as a real MongoDB answers them, and leave the same documents', async () => {
  await fc.assert(fc.asyncProperty(commands, compareAll), { numRuns: RUNS, seed: SEED, includeErrorInReport: true });
}, 3_600_000);
