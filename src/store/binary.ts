import mongoose from 'mongoose';

/** A value as it comes out of the driver: Binary, Buffer or bytes. */
export function bytesOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof mongoose.mongo.Binary)
    return Buffer.from(value.buffer.buffer, value.buffer.byteOffset, value.length());
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError('expected bytes');
}

export function binary(bytes: Uint8Array): InstanceType<typeof mongoose.mongo.Binary> {
  return new mongoose.mongo.Binary(Buffer.from(bytes));
}
