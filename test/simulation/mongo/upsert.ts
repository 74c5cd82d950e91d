import { CommandError } from './errors.js';
import type { Trace } from './paths.js';
import { type Change, isReplacement, updated } from './update.js';
import { isRow, type Row } from './values.js';

/** The fields that a filter says are equal to something: what an upsert begins with. */
function equalities(filter: Row): (readonly [string, unknown])[] {
  return Object.entries(filter).flatMap(([field, condition]): (readonly [string, unknown])[] => {
    if (field === '$and' && Array.isArray(condition)) {
      return condition.flatMap((one) => (isRow(one) ? equalities(one) : []));
    }
    if (field.startsWith('$')) return [];
    if (!isRow(condition) || !Object.keys(condition)[0]?.startsWith('$')) return [[field, condition]];
    return '$eq' in condition ? [[field, condition.$eq]] : [];
  });
}

/**
 * The document that an upsert inserts, its `_id` first.
 *
 * @param makeId an `_id` where neither filter nor update has one
 */
export function upserted(filter: Row, change: Change, now: number, makeId: () => unknown): Row {
  const found = equalities(filter);
  const { _id } = Object.fromEntries(found);
  const inserting = { trace: {} satisfies Trace, inserting: true, now };
  const begun = isReplacement(change)
    ? { ...(_id === undefined ? {} : { _id }) }
    : updated({}, { $set: Object.fromEntries(found) }, inserting);
  const made = updated(begun, change, inserting);
  const { _id: id = makeId(), ...rest } = made;
  if (_id !== undefined && id !== _id) {
    throw new CommandError(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
  return { _id: id, ...rest };
}
