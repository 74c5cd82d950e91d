import { isRow } from './values.js';

/** Place of the element by which a filter matched: what `$` in an update stands for. */
export interface Trace {
  index?: number;
}

const INDEX = /^(0|[1-9][0-9]*)$/;

export const isIndex = (part: string): boolean => INDEX.test(part);

/** Whether `test` is true of a value at the path, with the arrays on the way and (if `expand`) at its end opened. */
export function someAt(
  value: unknown,
  parts: readonly string[],
  at: number,
  expand: boolean,
  test: (value: unknown) => boolean,
  trace: Trace,
): boolean {
  const part = parts[at];
  if (part === undefined) return someOf(value, expand, test, trace);
  if (isRow(value)) return someAt(value[part], parts, at + 1, expand, test, trace);
  if (!Array.isArray(value)) return test(undefined);
  for (const [index, element] of value.entries()) {
    if (!isRow(element) || !someAt(element, parts, at, expand, test, trace)) continue;
    trace.index = index;
    return true;
  }
  return isIndex(part) && Number(part) < value.length
    ? someAt(value[Number(part)], parts, at + 1, expand, test, trace)
    : false;
}

function someOf(value: unknown, expand: boolean, test: (value: unknown) => boolean, trace: Trace): boolean {
  if (expand && Array.isArray(value)) {
    const index = value.findIndex(test);
    if (index >= 0) {
      trace.index = index;
      return true;
    }
  }
  return test(value);
}

/** Every value at the path; arrays on the way and at its end are opened. Of an empty array and of nothing: nothing. */
export function valuesAt(value: unknown, parts: readonly string[], at = 0): unknown[] {
  const part = parts[at];
  if (part === undefined) return Array.isArray(value) ? value : value === undefined ? [] : [value];
  if (isRow(value)) return valuesAt(value[part], parts, at + 1);
  if (!Array.isArray(value)) return [];
  const within = value.flatMap((element) => (isRow(element) ? valuesAt(element, parts, at) : []));
  return isIndex(part) && Number(part) < value.length
    ? [...within, ...valuesAt(value[Number(part)], parts, at + 1)]
    : within;
}
