import fc from 'fast-check';
import { type AnyCommand, arbitrary } from './arbitrary-commands.js';
import { anyBoolean } from './arbitrary-expressions.js';

type Fields = Readonly<Record<string, unknown>>;
const filter = arbitrary.filterWith(anyBoolean);
const readConcern = fc.constantFrom<Fields>({}, { level: 'local' }, { level: 'majority' });

const projection = fc.constantFrom<Fields>(
  {},
  { _id: 1 },
  { _id: 0 },
  { n: 1, list: 1 },
  { _id: 0, s: 1, 'told.x': 1 },
  { marks: 0, told: 0 },
  { 'marks.d': 1 },
  { 'marks.v': 0, at: 0 },
  { 'told.x.v': 1, 'told.y': 1 },
);
/** Whole orders, so that no server has a choice. */
const sort = fc.constantFrom<Fields>(
  { _id: 1 },
  { _id: -1 },
  { n: 1, _id: 1 },
  { n: -1, _id: 1 },
  { list: 1, _id: 1 },
  { list: -1, _id: -1 },
  { 'marks.v': 1, _id: 1 },
  { 'told.x.v': -1, at: 1, _id: 1 },
);

const sorted = fc
  .record({
    filter,
    sort,
    projection,
    readConcern,
    skip: fc.integer({ min: 0, max: 2 }),
    limit: fc.integer({ min: 0, max: 4 }),
  })
  .map((command): AnyCommand => ({ command: { find: 'c', ...command } }));
const unsorted = fc
  .record({ filter, projection })
  .map((command): AnyCommand => ({ command: { find: 'c', ...command }, isUnordered: true }));

/** `count` and `distinct` know no `$$NOW`. */
const isTimeless = ({ query }: { readonly query: Fields }): boolean => !JSON.stringify(query).includes('$$NOW');
const count = fc
  .record({ query: filter })
  .filter(isTimeless)
  .map((command): AnyCommand => ({ command: { count: 'c', ...command } }));
const countIndexed = fc
  .record({
    query: arbitrary.condition.map((more): Fields => ({ u: { $exists: true }, ...more })),
    limit: fc.integer({ min: 1, max: 3 }),
  })
  .map((command): AnyCommand => ({ command: { count: 'c', ...command, hint: { u: 1 } } }));

const distinct = fc
  .record({ key: fc.constantFrom('n', 'list', 'marks.d', '_id', 'told.x.v'), query: filter })
  .filter(isTimeless)
  .map((command): AnyCommand => ({ command: { distinct: 'c', ...command }, isUnordered: true }));

const pipelines: fc.Arbitrary<readonly Fields[]> = fc.oneof(
  fc
    .tuple(filter, fc.integer({ min: 1, max: 4 }))
    .map(([$match, $limit]) => [{ $match }, { $limit }, { $group: { _id: 1, n: { $sum: 1 } } }]),
  fc
    .tuple(filter, arbitrary.name)
    .map(([$match, d]) => [
      { $match },
      { $unwind: '$marks' },
      { $match: { 'marks.d': d } },
      { $group: { _id: null, oldest: { $min: '$marks.v' }, newest: { $max: '$marks.v' } } },
    ]),
  filter.map(($match) => [
    { $match },
    { $sort: { s: 1, _id: -1 } },
    { $group: { _id: '$s', name: { $first: '$n' } } },
    { $sort: { _id: 1 } },
    { $limit: 3 },
    { $project: { _id: 0, id: '$_id', name: 1 } },
  ]),
);
const aggregate = pipelines.map(
  (pipeline): AnyCommand => ({ command: { aggregate: 'c', pipeline, cursor: {} }, isUnordered: true }),
);

export const anyRead: fc.Arbitrary<AnyCommand> = fc.oneof(
  { weight: 3, arbitrary: sorted },
  { weight: 2, arbitrary: unsorted },
  { weight: 1, arbitrary: count },
  { weight: 1, arbitrary: countIndexed },
  { weight: 1, arbitrary: distinct },
  { weight: 1, arbitrary: aggregate },
);
