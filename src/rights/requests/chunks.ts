/** Bytes that are sealed and kept as one piece, and held in memory while they pass. */
export const CHUNK_BYTES = 256 * 1024;

/** Bytes as they come, as chunks of one size and a rest. */
export async function* chunked(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let buffered: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    buffered.push(piece);
    length += piece.length;
    while (length >= CHUNK_BYTES) {
      const all = Buffer.concat(buffered);
      yield all.subarray(0, CHUNK_BYTES);
      buffered = [all.subarray(CHUNK_BYTES)];
      length = all.length - CHUNK_BYTES;
    }
  }
  if (length > 0) yield Buffer.concat(buffered);
}
