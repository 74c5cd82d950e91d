import { makeZip } from 'client-zip';

/** A file of the archive; its bytes are read once. */
export interface ZipEntry {
  readonly name: string;
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * A zip archive as a stream, files stored as they are, their time (ms) in UTC. Every computer opens it without a program of
 * its own. Nothing is held but the piece that passes.
 */
export function zipped(entries: readonly ZipEntry[], at: number): AsyncIterable<Uint8Array> {
  // The format knows no zone: its times are what a clock on the wall of this machine shows.
  const lastModified = new Date(at + new Date(at).getTimezoneOffset() * 60_000);
  return makeZip(entries.map(({ name, bytes }) => ({ name, input: bytes, lastModified })));
}
