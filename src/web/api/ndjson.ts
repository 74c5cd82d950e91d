/** Stands for a line that is longer than allowed; its bytes were dropped as they came. */
export const TOO_LONG = Symbol('too long');

/**
 * Lines of a stream of bytes, without their ends (LF or CRLF), in the memory of one line: readline would keep a line
 * without end whole, and would end lines at U+2028, which JSON allows inside texts.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array>,
  longest: number,
): AsyncGenerator<Buffer | typeof TOO_LONG> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const line = (): Buffer | typeof TOO_LONG => {
    const whole = size > longest ? TOO_LONG : Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return whole !== TOO_LONG && whole.at(-1) === 13 ? whole.subarray(0, -1) : whole;
  };
  const keep = (part: Uint8Array) => {
    size += part.length;
    if (size > longest) pieces = [];
    else pieces.push(part);
  };
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, end));
      yield line();
      from = end + 1;
    }
    keep(chunk.subarray(from));
  }
  if (size > 0) yield line();
}
