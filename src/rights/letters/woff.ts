import { inflateSync } from 'node:zlib';

/** Bytes of the header and of one row of the table list: of a WOFF file, and of the plain font inside it. */
const WOFF_HEADER = 44;
const WOFF_ROW = 20;
const PLAIN_HEADER = 12;
const PLAIN_ROW = 16;

const aligned = (length: number): number => Math.ceil(length / 4) * 4;

/**
 * The plain font (TrueType or OpenType) inside a WOFF 1.0 file; any other file as it is. fontkit reads WOFF too, but inflates the table
 * of outlines again for each character: seconds for a page. Source: WOFF 1.0 (W3C Recommendation, 2012), sections 4 and 5.
 */
export function plainFont(file: Buffer): Buffer {
  if (file.toString('latin1', 0, 4) !== 'wOFF') return file;
  const count = file.readUInt16BE(12);
  const head = Buffer.alloc(PLAIN_HEADER + count * PLAIN_ROW);
  const power = 2 ** Math.floor(Math.log2(count));
  file.copy(head, 0, 4, 8);
  head.writeUInt16BE(count, 4);
  head.writeUInt16BE(power * 16, 6);
  head.writeUInt16BE(Math.log2(power), 8);
  head.writeUInt16BE((count - power) * 16, 10);
  const parts: Buffer[] = [head];
  let end = head.length;
  for (let n = 0; n < count; n++) {
    const row = WOFF_HEADER + n * WOFF_ROW;
    const field = (at: number) => file.readUInt32BE(row + at);
    const [offset, packed, length, checksum] = [field(4), field(8), field(12), field(16)];
    const stored = file.subarray(offset, offset + packed);
    const table = packed < length ? inflateSync(stored) : stored;
    const at = PLAIN_HEADER + n * PLAIN_ROW;
    file.copy(head, at, row, row + 4);
    head.writeUInt32BE(checksum, at + 4);
    head.writeUInt32BE(end, at + 8);
    head.writeUInt32BE(length, at + 12);
    parts.push(table, Buffer.alloc(aligned(length) - length));
    end += aligned(length);
  }
  return Buffer.concat(parts);
}
