import type { z } from 'zod';

/** One fault of a request: where, and what to do about it. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly remedy: string;
}

type Issue = z.core.$ZodIssue;

const UNKNOWN = 'this field is unknown; remove it or check its spelling';

const NO_FORM = 'this is not in the form expected; see /docs';

/** Zod's own words begin like this; what our schemas say themselves is in plain words already and stays. */
const OWN_WORDS = /^(Invalid|Too|Unrecognized)\b/;

const THINGS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};
const thing = (expected: string): string => THINGS[expected] ?? expected;

const either = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')}, or ${items.at(-1)}`;

const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'item' };

function sized(limit: string, count: number | bigint, origin: string): string {
  const unit = UNITS[origin];
  return unit === undefined ? `give ${limit} ${count}` : `give ${limit} ${count} ${unit}${count === 1 ? '' : 's'}`;
}

function remedyOf(issue: Issue): string {
  // The input is not kept with an issue, but zod's words tell what is not there at all.
  const missing = issue.message.endsWith('received undefined');
  switch (issue.code) {
    case 'invalid_value':
      return `write one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return `${missing ? 'this field is needed; ' : ''}give ${thing(issue.expected)}`;
    case 'too_small':
      return sized(issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue.origin);
    case 'too_big':
      return sized(issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue.origin);
    default:
      return NO_FORM;
  }
}

/** Of a choice: the alternative that was meant tells its own faults; where none or several were, the choice is the fault. */
function faultsOfChoice(issue: Extract<Issue, { code: 'invalid_union' }>, path: Fault['path']): Fault[] {
  const alternatives = issue.errors.map((issues) => ({
    faults: faultsOf(issues, path),
    otherKind: issues.flatMap((one) =>
      one.code === 'invalid_type' && one.path.length === 0 ? [thing(one.expected)] : [],
    ),
  }));
  // The one that was meant is of the kind that was given, and knows every field.
  const meant = alternatives.filter(
    ({ faults, otherKind }) => otherKind.length === 0 && faults.every(({ remedy }) => remedy !== UNKNOWN),
  );
  if (meant.length === 1) return meant.flatMap(({ faults }) => faults);
  if (!OWN_WORDS.test(issue.message)) return [{ path, remedy: issue.message }];
  const kinds = [...new Set(alternatives.flatMap(({ otherKind }) => otherKind))];
  return [{ path, remedy: kinds.length > 0 ? `give ${either(kinds)}` : NO_FORM }];
}

/** What to do about each fault of a request that a schema refused, in the words of the API. */
export function faultsOf(issues: readonly Issue[], base: Fault['path'] = []): Fault[] {
  return issues.flatMap((issue): Fault[] => {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: [...path, key], remedy: UNKNOWN }));
    if (issue.code === 'invalid_union') return faultsOfChoice(issue, path);
    if (issue.code === 'invalid_key')
      return faultsOf(issue.issues, path).map((fault) => ({
        ...fault,
        remedy: `the name of this field: ${fault.remedy}`,
      }));
    return [{ path, remedy: OWN_WORDS.test(issue.message) ? remedyOf(issue) : issue.message }];
  });
}
