import fc from 'fast-check';
import { ObjectId } from 'mongodb';

/** Commands as `src/store` sends them, with random arguments, on the collection `c`. */
export interface AnyCommand {
  readonly command: Readonly<Record<string, unknown>>;
  /** Sent twice, as the driver does when an answer is lost. */
  readonly isRepeated?: boolean;
  /** The order of what is found is the server's own choice. */
  readonly isUnordered?: boolean;
}

type Fields = Readonly<Record<string, unknown>>;
type AnyFields = fc.Arbitrary<Fields>;

const key = (n: number): Buffer => Buffer.alloc(16, n);

const number = fc.integer({ min: -2, max: 3 });
const text = fc.constantFrom('a', 'b', 'Ab', '');
const date = fc.integer({ min: 0, max: 3 }).map((day) => new Date(day * 86_400_000));
const bytes = fc.integer({ min: 0, max: 2 }).map(key);
const objectId = fc
  .constantFrom('64b000000000000000000001', '64b000000000000000000002')
  .map((hex) => new ObjectId(hex));
const name = fc.constantFrom('x', 'y', 'z');

export const documentId = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 4 }).map(key) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 }) },
  { weight: 1, arbitrary: fc.constantFrom('a', 'b') },
);

const mark = fc.record(
  { d: name, v: number, by: text, doubt: fc.array(name, { maxLength: 2 }), backfill: fc.boolean() },
  { requiredKeys: ['d', 'v'] },
);
const scalar = fc.oneof(fc.constant(null), number, text, date, bytes, objectId, fc.boolean());
const list = fc.array(fc.oneof(number, text), { maxLength: 3 });
const marks = fc.array(mark, { maxLength: 3 });
const object = fc.record({ x: fc.record({ v: number }), y: number }, { requiredKeys: [] });
const anything = fc.oneof(scalar, scalar, list, object);

const document = (id: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      _id: id,
      k: number,
      m: number,
      u: fc.oneof(number, bytes),
      n: fc.oneof({ weight: 4, arbitrary: number }, { weight: 1, arbitrary: anything }),
      s: text,
      at: date,
      list,
      marks,
      told: object,
    },
    { requiredKeys: ['_id', 'k', 'n'] },
  );

const FIELDS = ['n', 's', 'at', 'list', 'told', 'told.x', 'told.x.v', 'marks.d', 'marks.v', 'list.0', 'gone', 'told.y'];
const field = fc.constantFrom(...FIELDS);

const comparison = fc.oneof(
  fc.record({ $ne: anything }),
  fc.record({ $in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte'), scalar).map(([operator, value]) => ({ [operator]: value })),
  fc.tuple(number, number).map(([from, to]) => ({ $gte: from, $lt: to })),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $eq: anything }),
);

const elementCondition: AnyFields = fc.record(
  {
    d: name,
    by: fc.constantFrom('a', 'b'),
    v: fc.oneof(number, fc.record({ $lte: number })),
    backfill: fc.constantFrom({ $in: [null, false] }, { $in: [true] }, true),
    doubt: fc.record({ $exists: fc.boolean() }),
  },
  { requiredKeys: ['d'] },
);

const elemMatch: AnyFields = fc.record({ marks: fc.record({ $elemMatch: elementCondition }) });

const condition: AnyFields = fc.oneof(
  fc.tuple(field, anything).map(([path, value]) => ({ [path]: value })),
  fc.tuple(field, comparison).map(([path, value]) => ({ [path]: value })),
  fc.tuple(field, comparison).map(([path, value]) => ({ [path]: { $not: value } })),
  elemMatch,
  elemMatch.map(({ marks: inner }) => ({ marks: { $not: inner } })),
  fc.record({ list: fc.record({ $all: fc.array(fc.oneof(number, text), { minLength: 1, maxLength: 2 }) }) }),
  fc.record({ 'marks.0': fc.record({ $exists: fc.boolean() }) }),
  fc.record({ 'list.2': fc.record({ $exists: fc.boolean() }) }),
  fc.record({ s: fc.record({ $regex: fc.constantFrom('^a', 'b$', '^A'), $options: fc.constantFrom('i', '') }) }),
  fc.record({ list: fc.record({ $size: fc.integer({ min: 0, max: 2 }) }) }),
);

const manyIds = fc.array(documentId, { minLength: 1, maxLength: 4 });
const idCondition: AnyFields = fc.oneof(
  fc.record({ _id: documentId }),
  fc.record({ _id: fc.record({ $in: manyIds }) }),
  fc
    .tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte', '$ne'), documentId)
    .map(([operator, value]) => ({ _id: { [operator]: value } })),
);

/** Filters; `expression` is a boolean expression. */
function filterWith(expression: fc.Arbitrary<unknown>): AnyFields {
  const single = fc.oneof(
    { weight: 6, arbitrary: condition },
    { weight: 1, arbitrary: fc.record({ $expr: expression }) },
  );
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: single },
    { weight: 2, arbitrary: idCondition },
    { weight: 2, arbitrary: fc.tuple(idCondition, single).map(([one, other]) => ({ ...one, ...other })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('$or', '$and'), fc.array(single, { minLength: 1, maxLength: 3 }))
        .map(([operator, all]) => ({ [operator]: all })),
    },
  );
}

export const arbitrary = {
  number,
  text,
  date,
  name,
  scalar,
  list,
  marks,
  mark,
  object,
  anything,
  document,
  condition,
  elemMatch,
  filterWith,
};
