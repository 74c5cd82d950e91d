import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openStoreSetting, type StoreSetting } from '../../store/setting.js';
import { anyStep, NOW, type Step, type Stores, storesOn } from './arbitrary-steps.js';
import { comparable, documentsOf } from './comparing.js';
import { simulatedConnection } from './connection.js';
import { objectIds } from './object-ids.js';
import { createSimulatedMongo, type SimulatedMongo } from './server.js';

const RUNS = Number(process.env.DIFFERENTIAL_RUNS ?? 40);
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 1);

let setting: StoreSetting;
let real: Stores;
let simulated: Stores;
let server: SimulatedMongo;

const modelsOf = (stores: Stores) =>
  Object.values(stores).flatMap(
    ({ models }): readonly { createIndexes(): Promise<void>; collection: { collectionName: string } }[] => models,
  );

beforeAll(async () => {
  setting = await openStoreSetting();
  real = storesOn(setting.connection);
  const line = {
    createId: objectIds(() => NOW, 1),
    send: async (db: string, command: object) => {
      const { reply } = server.execute(db, command);
      server.commit(server.head());
      return reply;
    },
  };
  simulated = storesOn(simulatedConnection(line));
  for (const model of modelsOf(real)) await model.createIndexes();
});
afterAll(() => setting?.close());

/** What a function of a store answers, or how it fails. */
async function outcomeOf(step: Step, stores: Stores): Promise<unknown> {
  try {
    return comparable(await step(stores));
  } catch (error) {
    return error instanceof Error ? `${error.name} ${'code' in error ? error.code : error.message}` : error;
  }
}

test('the stores behave on it as on a real MongoDB, whatever is asked of them', async () => {
  const names = [...new Set(modelsOf(real).map(({ collection }) => collection.collectionName))];
  const steps = fc.array(anyStep, {
    minLength: 1,
    maxLength: 25,
  });
  const compare = async (list: readonly Step[]): Promise<void> => {
    server = createSimulatedMongo({ now: Date.now });
    for (const model of modelsOf(simulated)) await model.createIndexes();
    await Promise.all(
      names.map((name) => setting.connection.collection(name).deleteMany({}, { writeConcern: { w: 'majority' } })),
    );
    for (const step of list) {
      expect(await outcomeOf(step, simulated)).toEqual(await outcomeOf(step, real));
    }
    for (const name of names) {
      const documents = await documentsOf({ real: setting.connection, simulated: server }, name);
      expect(documents.simulated).toEqual(documents.real);
    }
  };
  await fc.assert(fc.asyncProperty(steps, compare), { numRuns: RUNS, seed: SEED, includeErrorInReport: true });
}, 3_600_000);
