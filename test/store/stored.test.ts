import { expect, test } from '@jest/globals';
import { rowsOf } from '../../src/store/stored.js';

interface Visit {
  readonly id: string;
  readonly at: number;
  readonly left?: number;
  readonly note?: string;
}
const { toRow, fromRow } = rowsOf<Visit, 'at' | 'left'>(['at', 'left']);

test('a record is stored under its id, its times as dates, and comes back the same', () => {
  const visit: Visit = { id: 'v1', at: 1000, note: '' };
  expect(toRow(visit)).toEqual({ _id: 'v1', at: new Date(1000), note: '' });
  expect(fromRow(toRow(visit))).toEqual(visit);
});

test('what an older version stored as null is absent', () => {
  expect(fromRow({ _id: 'v1', at: new Date(0), note: null } as never)).toEqual({ id: 'v1', at: 0 });
});
