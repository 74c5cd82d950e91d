import { CommandError } from './errors.js';
import type { Trace } from './paths.js';
import { type Change, isReplacement, updated } from './update.js';
import { isRow, type Row } from './values.js';

/** The fields that a filter says are equal to something: what an upsert begins with. */
function equalities(filter: Row): (readonly [string, unknown])[] {
  return Object.entries(filter).flatMap(([field, condition]): (readonly [string, unknown])[] => {
    // One alternative is none.
    if (Array.isArray(condition) && (field === '$and' || (field === '$or' && condition.length === 1))) {
      return condition.flatMap((one) => (isRow(one) ? equalities(one) : []));
    }
    if (field.startsWith('$')) return [];
    if (!isRow(condition) || !Object.keys(condition)[0]?.startsWith('$')) return [[field, condition]];
    return Object.entries(condition).flatMap(([operator, argument]): [string, unknown][] => {
      if (operator === '$eq') return [[field, argument]];
      if (!Array.isArray(argument)) return [];
      const isPlain = operator === '$all' || (operator === '$in' && argument.length === 1);
      return isPlain ? argument.map((one) => [field, one]) : [];
    });
  });
}

function checkOnce(paths: readonly string[]): void {
  for (const [at, path] of paths.entries()) {
    const isTwice = paths.some(
      (other, place) => place < at && (other === path || isBelow(other, path) || isBelow(path, other)),
    );
    if (isTwice) throw new CommandError(54, `cannot infer query fields to set, path '${path}' is matched twice`);
  }
}

const isBelow = (path: string, other: string): boolean => path.startsWith(`${other}.`);

/** Throws for a filter that the server knows in no upsert. */
export function checkUpsertFilter(filter: Row): void {
  for (const [field, condition] of Object.entries(filter)) {
    if (field === '$expr') throw new CommandError(224, '$expr is not allowed in the query predicate for an upsert');
    if (Array.isArray(condition) && field.startsWith('$'))
      for (const one of condition) checkUpsertFilter(isRow(one) ? one : {});
  }
}

/**
 * The document that an upsert inserts, its `_id` first.
 *
 * @param makeId an `_id` where neither filter nor update has one
 */
export function upserted(filter: Row, change: Change, now: number, makeId: () => unknown): Row {
  const found = equalities(filter);
  if (!isReplacement(change)) checkOnce(found.map(([path]) => path));
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
