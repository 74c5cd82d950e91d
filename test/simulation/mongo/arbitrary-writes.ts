import fc from 'fast-check';
import { type AnyCommand, arbitrary, documentId } from './arbitrary-commands.js';
import { anyBoolean, anyExpression } from './arbitrary-expressions.js';
import { isRow } from './values.js';

type Fields = Readonly<Record<string, unknown>>;
const { number, text, date, name, mark, anything } = arbitrary;
const filter = arbitrary.filterWith(anyBoolean);

const each = (value: fc.Arbitrary<unknown>) => fc.record({ $each: fc.array(value, { maxLength: 2 }) });

/** One operator on one path. */
const step: fc.Arbitrary<readonly [string, string, unknown]> = fc.oneof(
  fc.tuple(
    fc.constant('$set'),
    fc.constantFrom('n', 's', 'told', 'told.x.v', 'told.z', 'list.1', 'new', 'a.b'),
    anything,
  ),
  fc.tuple(fc.constant('$setOnInsert'), fc.constantFrom('n', 's', 'k', 'told', 'first'), anything),
  fc.tuple(
    fc.constant('$unset'),
    fc.constantFrom('n', 's', 'told', 'told.x', 'list', 'marks', 'gone.x'),
    fc.constant(''),
  ),
  fc.tuple(fc.constant('$inc'), fc.constantFrom('n', 'told.x.v', 'told.y', 'count'), number),
  fc.tuple(fc.constantFrom('$min', '$max'), fc.constantFrom('n', 'at', 'told', 'told.x', 'latest'), anything),
  fc.tuple(fc.constantFrom('$min', '$max'), fc.constant('at'), date),
  fc.tuple(fc.constant('$push'), fc.constant('list'), fc.oneof(number, text, each(number))),
  fc.tuple(fc.constant('$push'), fc.constant('marks'), fc.oneof(mark, each(mark))),
  fc.tuple(
    fc.constant('$push'),
    fc.constant('list'),
    fc.record({ $each: fc.array(number, { maxLength: 3 }), $slice: fc.integer({ min: -3, max: 3 }) }),
  ),
  fc.tuple(fc.constant('$addToSet'), fc.constant('list'), fc.oneof(number, text, each(text))),
  fc.tuple(fc.constant('$addToSet'), fc.constant('marks'), fc.oneof(mark, each(mark))),
  fc.tuple(fc.constant('$pull'), fc.constant('list'), fc.oneof(number, text, fc.record({ $gte: number }))),
  fc.tuple(fc.constant('$pull'), fc.constant('marks'), fc.record({ d: name })),
  fc.tuple(fc.constant('$currentDate'), fc.constantFrom('now', 'told.now'), fc.constant(true)),
);

const positional: fc.Arbitrary<readonly [string, string, unknown]> = fc.oneof(
  fc.tuple(fc.constant('$set'), fc.constantFrom('marks.$.by', 'marks.$.v', 'marks.$.new'), anything),
  fc.tuple(fc.constant('$unset'), fc.constantFrom('marks.$.by', 'marks.$.doubt'), fc.constant('')),
  fc.tuple(fc.constant('$addToSet'), fc.constant('marks.$.doubt'), each(name)),
);

function operatorsOf(steps: readonly (readonly [string, string, unknown])[]): Fields {
  const operators: Record<string, Record<string, unknown>> = {};
  for (const [operator, path, argument] of steps) operators[operator] = { ...operators[operator], [path]: argument };
  return operators;
}

const operators = fc.array(step, { minLength: 1, maxLength: 4 }).map(operatorsOf);
const positionalOperators = fc
  .tuple(fc.array(positional, { minLength: 1, maxLength: 2 }), fc.array(step, { maxLength: 1 }))
  .map(([some, more]) => operatorsOf([...some, ...more]));

/** An object that is no operator is a path in a stage: here it is a value. */
function whole(expression: unknown): unknown {
  return isRow(expression) && !Object.keys(expression)[0]?.startsWith('$')
    ? { $mergeObjects: [expression] }
    : expression;
}

const stage = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .dictionary(
        fc.constantFrom('n', 's', 'list', 'marks', 'told', 'made'),
        fc.oneof({ weight: 5, arbitrary: anyExpression }, { weight: 1, arbitrary: fc.constant('$$REMOVE') }),
        { minKeys: 1, maxKeys: 3 },
      )
      .map((fields) => ({
        $set: Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, whole(value)])),
      })),
  },
  { weight: 1, arbitrary: fc.subarray(['n', 's', 'list', 'gone'], { minLength: 1 }).map(($unset) => ({ $unset })) },
);
const pipeline = fc.array(stage, { minLength: 1, maxLength: 2 });

const replacement = arbitrary.document(fc.constant(0)).map(({ _id: _none, ...row }) => row);

/** Of one document: which of many a server takes is its own choice. */
const one = fc.tuple(documentId, filter).map(([_id, more]): Fields => ({ ...more, _id }));
const oneWithMark = fc.tuple(documentId, arbitrary.elemMatch).map(([_id, more]): Fields => ({ _id, ...more }));

const statement = fc.oneof(
  { weight: 4, arbitrary: fc.record({ q: one, u: operators, upsert: fc.boolean(), multi: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ q: fc.record({ _id: documentId }), u: operators, upsert: fc.constant(true) }) },
  { weight: 3, arbitrary: fc.record({ q: oneWithMark, u: positionalOperators }) },
  { weight: 2, arbitrary: fc.record({ q: arbitrary.elemMatch, u: positionalOperators, multi: fc.constant(true) }) },
  { weight: 3, arbitrary: fc.record({ q: filter, u: operators, multi: fc.constant(true) }) },
  { weight: 3, arbitrary: fc.record({ q: one, u: pipeline }) },
  { weight: 1, arbitrary: fc.record({ q: filter, u: pipeline, multi: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ q: one, u: replacement, upsert: fc.boolean() }) },
);

const isSingle = ({ multi }: Fields): boolean => multi !== true;

const insert = fc
  .record({
    documents: fc.array(arbitrary.document(documentId), { minLength: 1, maxLength: 4 }),
    ordered: fc.boolean(),
    isRepeated: fc.boolean(),
  })
  .map(({ isRepeated, ...command }): AnyCommand => ({ command: { insert: 'c', ...command }, isRepeated }));

const update = fc
  .record({
    updates: fc.array(statement, { minLength: 1, maxLength: 3 }),
    ordered: fc.boolean(),
    isRepeated: fc.boolean(),
  })
  .map(
    ({ isRepeated, ...command }): AnyCommand => ({
      command: { update: 'c', ...command },
      isRepeated: isRepeated && command.updates.every(isSingle),
    }),
  );

const remove = fc
  .record({
    deletes: fc.array(
      fc.oneof(fc.record({ q: one, limit: fc.constant(1) }), fc.record({ q: filter, limit: fc.constant(0) })),
      { minLength: 1, maxLength: 2 },
    ),
    isRepeated: fc.boolean(),
  })
  .map(
    ({ isRepeated, deletes }): AnyCommand => ({
      command: { delete: 'c', deletes },
      isRepeated: isRepeated && deletes.every(({ limit }) => limit === 1),
    }),
  );

const projection = fc.constantFrom<Fields>({}, { _id: 1 }, { n: 1, told: 1 }, { list: 0 }, { _id: 0, 'told.x': 1 });

const modify = fc
  .record({
    query: fc.oneof(one, filter),
    sort: fc.constantFrom<Fields>({ _id: 1 }, { _id: -1 }, { n: 1, _id: 1 }),
    fields: projection,
    isRepeated: fc.boolean(),
    change: fc.oneof(
      fc.record({ remove: fc.constant(true) }),
      fc.record({ update: operators, new: fc.boolean() }),
      fc.record({ update: pipeline, new: fc.boolean() }),
    ),
  })
  .map(
    ({ isRepeated, change, ...command }): AnyCommand => ({
      command: { findAndModify: 'c', ...command, ...change },
      isRepeated,
    }),
  );

const modifyOrInsert = fc
  .record({ query: fc.record({ _id: documentId }), update: operators, new: fc.boolean(), fields: projection })
  .map((command): AnyCommand => ({ command: { findAndModify: 'c', ...command, upsert: true } }));

export const anyWrite: fc.Arbitrary<AnyCommand> = fc.oneof(
  { weight: 4, arbitrary: insert },
  { weight: 6, arbitrary: update },
  { weight: 1, arbitrary: remove },
  { weight: 2, arbitrary: modify },
  { weight: 1, arbitrary: modifyOrInsert },
);
