import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createWriterIds, type WriterIds } from '../../src/store/writer-ids.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

const DAY_MS = 86_400_000;
let setting: StoreSetting;
let writerIds: WriterIds;
beforeAll(async () => {
  setting = await openStoreSetting();
  writerIds = createWriterIds(setting.connection, machine);
});
afterAll(() => setting?.close());

test('an id stands for the content that came with it first, in one call and in the next', async () => {
  const claim = () =>
    writerIds.claim([
      { id: 'a', content: '1' },
      { id: 'a', content: '2' },
      { id: 'b', content: '' },
    ]);
  expect(await setting.writesOf(claim)).toEqual(['writer_ids durable']);
  const later = await writerIds.claim([
    { id: 'a', content: '3' },
    { id: 'c', content: '4' },
  ]);
  expect([...later].sort()).toEqual([
    ['a', '1'],
    ['c', '4'],
  ]);
});

test('a key names one act for a day, with its answer once there is one', async () => {
  const { act } = await writerIds.takeKey('k', 'body', 0);
  expect(await writerIds.takeKey('k', 'body', DAY_MS - 1)).toEqual({ act, earlier: { content: 'body' } });
  await writerIds.keepAnswer('k', act, 200, '');
  expect(await writerIds.takeKey('k', 'other', 1)).toEqual({
    act,
    earlier: { content: 'body', status: 200, body: '' },
  });
  const next = await writerIds.takeKey('k', 'other', DAY_MS);
  expect(next.act).not.toBe(act);
  expect(next.earlier).toBeUndefined();
});

test('a key that an older version stored without act and time is known', async () => {
  await setting.put('idempotent_answers', { _id: 'old', content: 'x', at: new Date(1000), status: 200, body: 'y' });
  expect(await writerIds.takeKey('old', 'x', 2000)).toEqual({
    act: '',
    earlier: { content: 'x', status: 200, body: 'y' },
  });
  expect((await writerIds.takeKey('old', 'x', 1000 + DAY_MS)).earlier).toBeUndefined();
});
