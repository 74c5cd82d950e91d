import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createLeaders, type Leaders, whileLeading } from '../../src/store/leader.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let leaders: Leaders;
beforeAll(async () => {
  setting = await openStoreSetting();
  leaders = createLeaders(setting.connection, machine);
});
afterAll(() => setting?.close());

test('one process has a lease until it gives it up', async () => {
  const [one, two] = [leaders.leaderFor('work', 60_000), leaders.leaderFor('work', 60_000)];
  expect([await one.hold(), await two.hold(), await one.hold()]).toEqual([true, false, true]);
  await two.release();
  expect(await two.hold()).toBe(false);
  await one.release();
  expect([await two.hold(), await one.hold()]).toEqual([true, false]);
});

test('a lease that has run out goes to whoever asks', async () => {
  const [one, two] = [leaders.leaderFor('short', 0), leaders.leaderFor('short', 60_000)];
  expect(await one.hold()).toBe(true);
  // The database's clock counts, in ms.
  let taken = await two.hold();
  while (!taken) taken = await two.hold();
  expect(await one.hold()).toBe(false);
});

test('work is done by one at a time, and the lease is given up at its end', async () => {
  const leader = () => leaders.leaderFor('long', 60_000);
  const inside = await new Promise<boolean>((answer) => {
    void whileLeading(machine, leader(), async (leads) => {
      answer(leads() && !(await whileLeading(machine, leader(), async () => undefined)));
    });
  });
  expect(inside).toBe(true);
});
