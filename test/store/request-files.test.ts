import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRequestFiles, type RequestFiles } from '../../src/store/request-files.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: RequestFiles;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createRequestFiles(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const file = {
  id: 'f',
  request: 'q_1',
  at: new Date(1000),
  by: 'person',
  type: 'application/pdf',
  size: 3,
  name: Buffer.from('sealed name'),
  chunks: 2,
  key: Buffer.from('key'),
};

test('a file belongs to its request once all its pieces are kept', async () => {
  expect(await setting.writesOf(() => store.keepChunk('f', 0, Buffer.from('ab'), new Date(5000)))).toEqual([
    'request_file_chunks durable',
  ]);
  expect(await store.keep(file)).toBe(false);
  await store.keepChunk('f', 1, Buffer.from('c'), new Date(5000));
  expect(await store.keep(file)).toBe(true);
  await store.dropUntaken(['f']);
  expect(await store.chunk('f', 1)).toEqual(Buffer.from('c'));
  expect(await store.get('q_1', 'f')).toEqual({ file });
  expect(await store.get('q_2', 'f')).toBeUndefined();
});

test('a file that an older version stored in one piece still opens', async () => {
  const { id: _id, chunks: _chunks, key: _key, ...row } = file;
  await setting.put('request_files', { ...row, _id: 'old', byName: null, at: new Date(0), sealed: Buffer.from('abc') });
  expect(await store.get('q_1', 'old')).toEqual({
    file: { ...row, id: 'old', at: new Date(0) },
    sealed: Buffer.from('abc'),
  });
  expect((await store.ofRequest('q_1')).map(({ id }) => id)).toEqual(['old', 'f']);
  expect(await store.count('q_1')).toBe(2);
});

test('an upload that was broken off goes, and so do all files of a request that ends', async () => {
  await store.keepChunk('g', 0, Buffer.from('x'), new Date(5000));
  await store.dropUntaken(['g']);
  expect(await store.chunk('g', 0)).toBeUndefined();
  await store.removeAll('q_1');
  expect([...(await setting.all('request_files')), ...(await setting.all('request_file_chunks'))]).toEqual([]);
});
