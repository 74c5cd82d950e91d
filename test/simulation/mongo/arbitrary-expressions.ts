import fc from 'fast-check';
import { arbitrary } from './arbitrary-commands.js';

/** Expressions by the type of what they give, so that most of them are no errors. */
interface Expressions {
  readonly bool: unknown;
  readonly number: unknown;
  readonly list: unknown;
  readonly object: unknown;
  readonly any: unknown;
}

const literal = (value: unknown) => ({ $literal: value });
const ref = fc.constantFrom('$n', '$s', '$at', '$told.x.v', '$told.y', '$gone', '$list', '$marks.d', '$k');

const { bool, any } = fc.letrec<Expressions>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    ref,
    arbitrary.anything.map(literal),
    tie('number'),
    tie('bool'),
    tie('list'),
    tie('object'),
    fc.tuple(tie('bool'), tie('any'), tie('any')).map(($cond) => ({ $cond })),
    fc.tuple(ref, tie('any')).map(($ifNull) => ({ $ifNull })),
    fc.tuple(tie('list'), fc.integer({ min: -2, max: 2 })).map(($arrayElemAt) => ({ $arrayElemAt })),
    ref.map(($type) => ({ $type })),
  ),
  number: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    arbitrary.number,
    fc.record({ $ifNull: fc.tuple(fc.constantFrom('$told.y', '$gone', '$m'), arbitrary.number) }),
    fc.record({ $size: fc.tuple(tie('list')) }),
    fc.record({ $add: fc.tuple(tie('number'), tie('number')) }),
  ),
  bool: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.boolean(),
    fc
      .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), tie('any'), tie('any'))
      .map(([operator, a, b]) => ({ [operator]: [a, b] })),
    fc.tuple(tie('any')).map(($not) => ({ $not })),
    fc.tuple(fc.constantFrom('$and', '$or'), tie('any'), tie('bool')).map(([op, a, b]) => ({ [op]: [a, b] })),
    fc.tuple(tie('any'), tie('list')).map(($in) => ({ $in })),
    fc.record({ $anyElementTrue: fc.tuple(tie('list')) }),
    fc.constantFrom({ $lt: ['$at', '$$NOW'] }, { $gt: [{ $add: ['$$NOW', 1000] }, '$at'] }),
  ),
  list: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom({ $ifNull: ['$list', []] }, { $ifNull: ['$marks', []] }),
    arbitrary.list.map(literal),
    fc.record({ $concatArrays: fc.tuple(tie('list'), tie('list')) }),
    fc.record({ $setUnion: fc.tuple(arbitrary.list.map(literal), fc.constant({ $ifNull: ['$list', []] })) }),
    fc.tuple(tie('any'), tie('any')).map((both) => both),
    fc.tuple(tie('list'), tie('bool'), arbitrary.anything).map(([input, other, value]) => ({
      $filter: { input, as: 'm', cond: { $or: [{ $ne: ['$$m', literal(value)] }, other] } },
    })),
    tie('list').map((input) => ({ $filter: { input, cond: { $not: [{ $in: ['$$this', ['a', 1]] }] } } })),
    arbitrary.name.map((d) => ({
      $filter: { input: { $ifNull: ['$marks', []] }, as: 'm', cond: { $eq: ['$$m.d', d] } },
    })),
    fc.tuple(tie('list'), tie('any')).map(([input, other]) => ({
      $map: { input, in: { $ifNull: ['$$this.d', other] } },
    })),
    tie('object').map(($objectToArray) => ({ $objectToArray })),
  ),
  object: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    arbitrary.object.map(literal),
    fc.constant({ $ifNull: ['$told', {}] }),
    fc.tuple(tie('object'), tie('object')).map(($mergeObjects) => ({ $mergeObjects })),
    tie('any').map((value) => ({ made: value })),
    fc.tuple(tie('object'), tie('number')).map(([old, v]) => ({
      $let: { vars: { old }, in: { $mergeObjects: [{ $literal: { v: 1 } }, '$$old', { v, w: '$$old.y' }] } },
    })),
  ),
}));

export const anyExpression = any;
export const anyBoolean = bool;
