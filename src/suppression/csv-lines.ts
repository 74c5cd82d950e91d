/** A stream of bytes of which some can be given back. */
export interface ByteSource {
  /** Undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** What comes next. */
  unread(bytes: Uint8Array): void;
}

export function byteSource(stream: AsyncIterable<Uint8Array>): ByteSource {
  const chunks = stream[Symbol.asyncIterator]();
  const returned: Uint8Array[] = [];
  return {
    async next() {
      const first = returned.pop();
      if (first) return first;
      const { done, value } = await chunks.next();
      return done ? undefined : value;
    },
    unread(bytes) {
      if (bytes.length > 0) returned.push(bytes);
    },
  };
}

/** Where a line ends, its CR or LF included; -1 where it does not. `state.quoted` is kept from piece to piece. */
function endIn(bytes: Uint8Array, state: { quoted: boolean }, readsQuotes: boolean): number {
  for (const [at, byte] of bytes.entries()) {
    if (byte === 34 && readsQuotes) state.quoted = !state.quoted;
    else if (!state.quoted && (byte === 10 || byte === 13)) return at + 1;
  }
  return -1;
}

/**
 * The next line with its end: CRLF, LF, CR, or none at the end of the stream. With `readsQuotes` a line may go on inside
 * quotes. Undefined when it is longer than `limit` bytes; empty at the end of the stream.
 */
export async function readLine(source: ByteSource, limit: number, readsQuotes: boolean): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  const state = { quoted: false };
  let size = 0;
  for (let piece = await source.next(); piece; piece = await source.next()) {
    const end = endIn(piece, state, readsQuotes);
    pieces.push(end === -1 ? piece : piece.subarray(0, end));
    size += end === -1 ? piece.length : end;
    if (size > limit) return undefined;
    if (end === -1) continue;
    source.unread(piece.subarray(end));
    if (piece[end - 1] !== 13) break;
    // The LF of a CRLF belongs to the line, though it may come in the next piece.
    const after = await source.next();
    if (!after) break;
    if (after[0] === 10) pieces.push(after.subarray(0, 1));
    source.unread(after[0] === 10 ? after.subarray(1) : after);
    break;
  }
  return Buffer.concat(pieces);
}
