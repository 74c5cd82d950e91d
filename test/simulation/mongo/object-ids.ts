import { ObjectId } from 'mongodb';

/**
 * Gives ids as a process does that starts anew: of its clock, of what tells it from other processes, and of a counter. The
 * same in every run, so that what is sorted by id comes in the same order.
 *
 * @param now ms, by the clock of the process
 * @param number of the process
 */
export function objectIds(now: () => number, number: number): () => ObjectId {
  let next = 1;
  return () => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(Math.floor(now() / 1000) % 2 ** 32, 0);
    bytes.writeUInt32BE(number, 4);
    bytes.writeUInt32BE(next++, 8);
    return new ObjectId(bytes);
  };
}
