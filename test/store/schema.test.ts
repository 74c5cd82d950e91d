import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Model } from 'mongoose';
import { DURABLE, isDuplicate } from '../../src/store/connect.js';
import { collectionSchema, partSchema } from '../../src/store/schema.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

interface Row {
  readonly _id: string;
  readonly state: 'open' | 'closed';
  readonly bytes: Buffer;
  readonly notes?: readonly string[];
  readonly parts?: readonly { readonly name: string }[];
}

let setting: StoreSetting;
let model: Model<Row>;
beforeAll(async () => {
  setting = await openStoreSetting();
  model = setting.connection.model<Row>(
    'SchemaTest',
    collectionSchema<Row>('schema_test', {
      _id: { type: String, required: true },
      state: { type: String, required: true, enum: ['open', 'closed'] },
      bytes: { type: Buffer, required: true },
      notes: [String],
      parts: [partSchema<{ readonly name: string }>({ name: { type: String, required: true } })],
    }),
  );
});
afterAll(() => setting?.close());

const ROW: Row = { _id: 'a', state: 'open', bytes: Buffer.alloc(0) };

test('an insert is durable and stores what was said: no defaults, no version, no ids of parts', async () => {
  const writes = await setting.writesOf(() =>
    model.insertOne({ ...ROW, parts: [{ name: '' }] }, { writeConcern: DURABLE }),
  );
  expect(writes).toEqual(['schema_test durable']);
  const [{ bytes, ...stored } = {}] = await setting.all('schema_test');
  expect(stored).toEqual({ _id: 'a', state: 'open', parts: [{ name: '' }] });
  expect(bytes).toEqual(Buffer.alloc(0));
});

test('bytes are read as plain Buffers', async () => {
  await model.updateOne({ _id: 'a' }, { $set: { bytes: Buffer.from('ab') } });
  const row = await model.findOne({ bytes: Buffer.from('ab') }).lean();
  expect(row?.bytes.constructor).toBe(Buffer);
  expect(row?.bytes).toEqual(Buffer.from('ab'));
});

test('the same id again is known as a duplicate', async () => {
  const error = await model.insertOne(ROW).catch((reason: unknown) => reason);
  expect(isDuplicate(error)).toBe(true);
});

test.each<[string, () => Promise<unknown>]>([
  ['an insert without a required field', () => model.insertMany([{ _id: 'b', state: 'open' }])],
  ['an insert of an unknown value', () => model.insertOne({ ...ROW, _id: 'b', state: 'ajar' as never })],
  ['an insert of an unknown field', () => model.insertOne({ ...ROW, _id: 'b', colour: 'red' } as never)],
  ['an update to an unknown value', async () => model.updateOne({ _id: 'a' }, { $set: { state: 'ajar' } })],
  ['an update of an unknown field', async () => model.updateOne({ _id: 'a' }, { $set: { colour: 'red' } })],
  ['an update that takes a required field away', async () => model.updateOne({ _id: 'a' }, { $unset: { state: '' } })],
  [
    'an upsert without a required field of a part',
    async () => model.updateOne({ _id: 'c' }, { $setOnInsert: { ...ROW, _id: 'c', parts: [{}] } }, { upsert: true }),
  ],
  ['a filter by an unknown field', async () => model.deleteMany({ colour: 'red' } as never)],
])('%s is refused', async (_name, write) => {
  await expect(write()).rejects.toThrow(/required|enum|strict|not in schema/i);
  expect(await model.countDocuments()).toBe(1);
  expect(await model.findById('a').lean()).toMatchObject({ state: 'open' });
});
