/**
 * RFC 8785 (JSON Canonicalization Scheme): keys in the order of their UTF-16 code units, no spaces, numbers and texts as
 * ECMAScript writes them. A field that is null is left out, because the store does not tell it from one that is absent.
 * The leaves of the log commit to this text: not one byte of it may change.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, item]) => item !== undefined && item !== null)
    .sort(byKey)
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${fields.join(',')}}`;
}

/**
 * The same text for the same content, in whichever order its fields came: what a writer's retry is compared by. Unlike
 * `canonicalJson` it keeps a field that is null, and keys of digits come first, by number. Digests of this text are stored
 * for ever, so it stays as it is.
 */
export function contentText(value: unknown): string {
  return JSON.stringify(withSortedKeys(value));
}

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(byKey)
      .map(([key, item]) => [key, withSortedKeys(item)]),
  );
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
