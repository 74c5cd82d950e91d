import { expect, test } from '@jest/globals';
import { createSimulatedMongo, type SimulatedMongo } from './server.js';

const NOW = 1_700_000_000_000;
const DB = 'hush';

function serverWith(...documents: readonly object[]): SimulatedMongo {
  const server = createSimulatedMongo({ now: () => NOW });
  server.execute(DB, { insert: 'c', documents });
  server.commit(server.head());
  return server;
}

const set = (id: number, fields: object, more: object = {}) => ({
  update: 'c',
  updates: [{ q: { _id: id }, u: { $set: fields } }],
  ...more,
});

test('a read of the majority sees a write once a majority has it, a local one at once', () => {
  const server = serverWith({ _id: 1, a: 1 }, { _id: 2 });
  const { position } = server.execute(DB, set(1, { a: 2 }));
  server.execute(DB, { delete: 'c', deletes: [{ q: { _id: 2 }, limit: 1 }] });
  server.execute(DB, { insert: 'c', documents: [{ _id: 3 }] });
  expect(server.documents(DB, 'c')).toEqual([{ _id: 1, a: 2 }, { _id: 3 }]);
  expect(server.documents(DB, 'c', 'majority')).toEqual([{ _id: 1, a: 1 }, { _id: 2 }]);
  server.commit(position ?? 0);
  expect(server.documents(DB, 'c', 'majority')).toEqual([{ _id: 1, a: 2 }, { _id: 2 }]);
  server.commit(server.head());
  expect(server.documents(DB, 'c', 'majority')).toEqual([{ _id: 1, a: 2 }, { _id: 3 }]);
});

test('a failover takes what no majority had, half of a bulk too, and its positions are known to be lost', () => {
  const server = serverWith({ _id: 1 }, { _id: 2 });
  const before = server.head();
  const { position = 0 } = server.execute(DB, { insert: 'c', documents: [{ _id: 3 }, { _id: 4 }], ordered: false });
  server.execute(DB, { delete: 'c', deletes: [{ q: { _id: 1 }, limit: 1 }] });
  server.commit(before + 1);
  server.failover();
  expect(server.documents(DB, 'c')).toEqual([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
  expect([server.isLost(before + 1), server.isLost(position)]).toEqual([false, true]);
  // What comes after is not taken for what was lost.
  server.execute(DB, { insert: 'c', documents: [{ _id: 5 }] });
  expect(server.isLost(server.head())).toBe(false);
  expect(server.commitPoint()).toBeLessThan(server.head());
});

test('a failover takes indexes, and gives unique keys back', () => {
  const server = serverWith({ _id: 1, a: 1 });
  const index = { createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 'a_1', unique: true }] };
  server.execute(DB, index);
  server.failover();
  expect(server.execute(DB, { insert: 'c', documents: [{ _id: 2, a: 1 }] }).reply).toEqual({ n: 1, ok: 1 });
  server.failover();
  server.execute(DB, index);
  server.commit(server.head());
  server.execute(DB, set(1, { a: 2 }));
  server.failover();
  const { reply } = server.execute(DB, { insert: 'c', documents: [{ _id: 2, a: 1 }] });
  expect(reply.writeErrors).toMatchObject([{ code: 11000, keyPattern: { a: 1 }, keyValue: { a: 1 } }]);
  expect(server.execute(DB, { insert: 'c', documents: [{ _id: 2, a: 2 }] }).reply).toEqual({ n: 1, ok: 1 });
});

test('a retry of a write is answered as the first time, and is run again where a failover took the first', () => {
  const server = serverWith({ _id: 1, a: 1 });
  const retryable = { lsid: { id: 'session' }, txnNumber: 1 };
  const inc = { update: 'c', updates: [{ q: { _id: 1 }, u: { $inc: { a: 1 } } }], ...retryable };
  const first = { n: 1, nModified: 1, ok: 1 };
  expect(server.execute(DB, inc).reply).toEqual(first);
  expect(server.execute(DB, inc).reply).toEqual({ ...first, retriedStmtIds: [0] });
  expect(server.documents(DB, 'c')).toEqual([{ _id: 1, a: 2 }]);
  server.failover();
  expect(server.documents(DB, 'c')).toEqual([{ _id: 1, a: 1 }]);
  expect(server.execute(DB, inc).reply).toEqual(first);
  expect(server.documents(DB, 'c')).toEqual([{ _id: 1, a: 2 }]);
  server.execute(DB, { ...inc, txnNumber: 2 });
  expect(server.execute(DB, inc).reply).toMatchObject({ ok: 0, code: 225 });
});

test('nobody sees what a transaction writes before its end; a majority has all of it or nothing', () => {
  const server = serverWith({ _id: 1, a: 1 }, { _id: 2, a: 1 });
  const within = { lsid: { id: 'session' }, txnNumber: 1, autocommit: false };
  server.execute(DB, set(1, { a: 2 }, { ...within, startTransaction: true }));
  server.execute(DB, set(2, { a: 2 }, within));
  expect(server.documents(DB, 'c')).toEqual([
    { _id: 1, a: 1 },
    { _id: 2, a: 1 },
  ]);
  expect(server.execute(DB, { find: 'c', filter: { a: 2 }, ...within }).reply).toMatchObject({
    cursor: { firstBatch: [{ _id: 1 }, { _id: 2 }] },
  });
  const { position = 0 } = server.execute('admin', { commitTransaction: 1, ...within });
  expect(server.documents(DB, 'c')).toEqual([
    { _id: 1, a: 2 },
    { _id: 2, a: 2 },
  ]);
  server.commit(position - 1);
  expect(server.documents(DB, 'c', 'majority')).toEqual([
    { _id: 1, a: 1 },
    { _id: 2, a: 1 },
  ]);
  server.failover();
  expect(server.execute('admin', { commitTransaction: 1, ...within }).reply).toMatchObject({
    ok: 0,
    code: 251,
    errorLabels: ['TransientTransactionError'],
  });
});

test('of two that write one document, the transaction that began before is refused', () => {
  const server = serverWith({ _id: 1, a: 1 });
  const first = { lsid: { id: 'first' }, txnNumber: 1, autocommit: false };
  const second = { lsid: { id: 'second' }, txnNumber: 1, autocommit: false, startTransaction: true };
  const conflict = { ok: 0, code: 112, errorLabels: ['TransientTransactionError'] };
  server.execute(DB, { find: 'c', ...first, startTransaction: true });
  server.execute(DB, set(1, { a: 5 }));
  expect(server.execute(DB, set(1, { a: 2 }, first)).reply).toMatchObject(conflict);
  server.execute(DB, set(1, { a: 2 }, { ...first, txnNumber: 2, startTransaction: true }));
  expect(server.execute(DB, set(1, { a: 3 }, second)).reply).toMatchObject(conflict);
});

test('TTL indexes remove what is over, when they are told to', () => {
  let now = NOW;
  const server = createSimulatedMongo({ now: () => now });
  server.execute(DB, { createIndexes: 'c', indexes: [{ key: { at: 1 }, name: 'at_1', expireAfterSeconds: 60 }] });
  server.execute(DB, { insert: 'c', documents: [{ _id: 1, at: new Date(NOW) }, { _id: 2, at: 'never' }, { _id: 3 }] });
  expect(server.removeExpired()).toBe(0);
  now += 60_000;
  expect(server.removeExpired()).toBe(1);
  expect(server.documents(DB, 'c')).toEqual([{ _id: 2, at: 'never' }, { _id: 3 }]);
});

test('what it does not know is no answer, but an error', () => {
  const server = serverWith({ _id: 1 });
  const unknown = [
    { mapReduce: 'c' },
    { find: 'c', collation: { locale: 'en' } },
    { find: 'c', filter: { a: { $near: [0, 0] } } },
    { update: 'c', updates: [{ q: {}, u: { $rename: { a: 'b' } } }] },
    { aggregate: 'c', pipeline: [{ $facet: {} }], cursor: {} },
    { aggregate: 'c', pipeline: [{ $match: { $expr: { $rand: {} } } }], cursor: {} },
  ];
  for (const command of unknown) expect(() => server.execute(DB, command)).toThrow(/does not know/);
});
