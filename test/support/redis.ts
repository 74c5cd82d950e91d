import { Redis } from 'ioredis';

/** Every key of Redis with all it holds, as bytes. */
export async function everythingInRedis(): Promise<[key: Buffer, value: Buffer][]> {
  const redis = new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: 1 });
  const flat = (value: unknown): Buffer[] =>
    Array.isArray(value) ? value.flatMap(flat) : [Buffer.isBuffer(value) ? value : Buffer.from(String(value))];
  try {
    const all: [Buffer, Buffer][] = [];
    for (const key of await redis.keysBuffer('*')) {
      const type = await redis.type(key);
      const value =
        type === 'string'
          ? await redis.getBuffer(key)
          : type === 'hash'
            ? await redis.callBuffer('HGETALL', key)
            : type === 'list'
              ? await redis.lrangeBuffer(key, 0, -1)
              : type === 'set'
                ? await redis.smembersBuffer(key)
                : type === 'zset'
                  ? await redis.callBuffer('ZRANGE', key, '0', '-1')
                  : type === 'stream'
                    ? await redis.callBuffer('XRANGE', key, '-', '+')
                    : '';
      all.push([key, Buffer.concat(flat(value))]);
    }
    return all;
  } finally {
    redis.disconnect();
  }
}
