const QUOTE = 34;
const COMMA = 44;
const OPENING = Buffer.from('"contacts"');
const EMAIL = Buffer.from('"email"');

/** The addresses of a batch by their places in its body, and the body without them. */
export interface BatchAddresses {
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly count: number;
  /** The JSON that the body would be if it asked about nobody. */
  readonly rest: Buffer;
}

/**
 * Finds the contacts of a batch in the bytes of its body, where each of them is `{"email": "…"}` without an escape: what most
 * batches are. What is said of the rest of the body, as JSON and by its schema, is said of the whole, because the list is cut
 * out between its brackets. Undefined for every other body.
 */
export function batchAddresses(body: Buffer, most: number): BatchAddresses | undefined {
  const name = body.indexOf(OPENING);
  if (name === -1 || body.indexOf(OPENING, name + 1) !== -1) return undefined;
  // JSON has four bytes that are blanks.
  const skip = (at: number): number => {
    let next = at;
    while (body[next] === 32 || body[next] === 10 || body[next] === 13 || body[next] === 9) next++;
    return next;
  };
  let at = skip(name + OPENING.length);
  if (body[at] !== 58) return undefined;
  at = skip(at + 1);
  if (body[at] !== 91) return undefined;
  const start = ++at;
  const from = new Uint32Array(most);
  const to = new Uint32Array(most);
  let count = 0;
  for (;;) {
    at = skip(at);
    if (count >= most || body[at] !== 123) return undefined;
    at = skip(at + 1);
    for (let place = 0; place < EMAIL.length; place++) if (body[at + place] !== EMAIL[place]) return undefined;
    at = skip(at + EMAIL.length);
    if (body[at] !== 58) return undefined;
    at = skip(at + 1);
    if (body[at] !== QUOTE) return undefined;
    from[count] = ++at;
    for (; body[at] !== QUOTE; at++) {
      const byte = body[at];
      // An escape, a control character, the end, or more than one byte a letter.
      if (byte === undefined || byte === 92 || byte < 32 || byte > 126) return undefined;
    }
    to[count++] = at;
    at = skip(at + 1);
    if (body[at] !== 125) return undefined;
    at = skip(at + 1);
    if (body[at] !== COMMA) break;
    at++;
  }
  if (body[at] !== 93) return undefined;
  return { from, to, count, rest: Buffer.concat([body.subarray(0, start), body.subarray(at)]) };
}
