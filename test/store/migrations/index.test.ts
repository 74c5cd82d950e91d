import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { createLeaders, type Leaders } from '../../../src/store/leader.js';
import { createMigrations } from '../../../src/store/migrations/index.js';
import { openStoreSetting, type StoreSetting } from '../setting.js';

type Migrations = ReturnType<typeof createMigrations>;

let setting: StoreSetting;
let leaders: Leaders;
let migrations: Migrations;
beforeAll(async () => {
  setting = await openStoreSetting();
  leaders = createLeaders(setting.connection, machine);
  migrations = createMigrations(setting.connection, leaders, machine);
});
afterAll(() => setting?.close());

let log: string[] = [];
beforeEach(async () => {
  log = [];
  await setting.connection.collection('migrations').deleteMany({});
});
const migration = (name: string, work = async () => {}) => ({
  name,
  async run() {
    log.push(name);
    await work();
  },
});
const finished = async () => (await setting.all('migrations')).map(({ _id }) => _id);

test('migrations run in order, each once, recorded durably', async () => {
  const list = [migration('1'), migration('2')];
  const writes = await setting.writesOf(() => migrations.run(list));
  expect(writes.filter((write) => write.startsWith('migrations'))).toEqual([
    'migrations durable',
    'migrations durable',
  ]);
  await migrations.run([...list, migration('3')]);
  expect(log).toEqual(['1', '2', '3']);
  expect(await finished()).toEqual(['1', '2', '3']);
});

test('of processes that start together one runs them, and all wait until they are finished', async () => {
  const slow = migration('slow', async () => {
    // The others have looked meanwhile, and found the lease taken.
    expect(await leaders.leaderFor('migrations').hold()).toBe(false);
  });
  const list = [slow, migration('next')];
  await Promise.all(
    [1, 2, 3].map(async () => {
      await migrations.run(list);
      expect(await finished()).toEqual(['next', 'slow']);
    }),
  );
  expect(log).toEqual(['slow', 'next']);
});

test('one that fails ends the start, with its name, and runs again at the next', async () => {
  let broken = true;
  const fails = migration('2', async () => {
    if (broken) throw new Error('no room');
  });
  const list = [migration('1'), fails, migration('3')];
  await expect(migrations.run(list)).rejects.toThrow('The migration 2 failed');
  expect(await finished()).toEqual(['1']);
  broken = false;
  await migrations.run(list);
  expect(log).toEqual(['1', '2', '2', '3']);
});

test('what a later version has done is none of this version’s business', async () => {
  await setting.put('migrations', { _id: '9999-of-a-later-version', finishedAt: new Date() });
  await migrations.run([migration('1')]);
  expect(log).toEqual(['1']);
});
