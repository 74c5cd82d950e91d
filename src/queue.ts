import { types } from 'node:util';
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { ConfigError } from './config/yaml-file.js';

/** A job is only a wake-up: what is to be done is read from the store. Losing all of Redis loses nothing. */
export type Wakeup = (name: string) => Promise<void>;

const QUEUE = 'wakeups';

/** What Redis, or the way to it, says of a URL that it cannot be used with. */
function redisStartError(url: string, error: unknown): unknown {
  if (error instanceof ConfigError) return error;
  const { host } = new URL(url);
  const message = types.isNativeError(error) ? error.message : '';
  if (/NOAUTH|WRONGPASS|invalid username-password|NOPERM|Authentication/i.test(message)) {
    return new ConfigError(
      `REDIS_URL: Redis at ${host} refuses our password or user. Write it as redis://user:password@${host}.`,
    );
  }
  const why = /\b(E[A-Z]{3,}|ENOTFOUND|timed? ?out|Protocol error)\b/i.exec(message)?.[0];
  return new ConfigError(
    `REDIS_URL: no Redis answers at ${host}${why ? ` (${why})` : ''}. Start it there, or correct the host and port.`,
  );
}

/**
 * Redis with `noeviction` or none: with another policy it throws jobs away under memory pressure (measured).
 *
 * @throws ConfigError, one line, when Redis cannot be reached or would drop jobs
 */
export async function checkRedis(url: string): Promise<void> {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 1,
    connectTimeout: 3000,
    commandTimeout: 3000,
    retryStrategy: () => null,
    lazyConnect: true,
  });
  // The connection's own error says more than "Connection is closed", which is what commands are told.
  let cause: unknown;
  redis.on('error', (error) => {
    cause ??= error;
  });
  try {
    await redis.connect();
    const info = await redis.info('memory');
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
    if (policy !== undefined && policy !== 'noeviction') {
      throw new ConfigError(
        `REDIS_URL: Redis runs with maxmemory-policy ${policy} and would drop jobs. Run: redis-cli config set maxmemory-policy noeviction`,
      );
    }
  } catch (error) {
    throw redisStartError(url, error instanceof ConfigError ? error : (cause ?? error));
  } finally {
    redis.disconnect();
  }
}

/**
 * Named wake-ups through Redis. `wake` never waits for Redis longer than its command timeout and never fails the caller;
 * a sweeper finds what a lost wake-up left.
 */
export function createQueue(options: { readonly url: string; readonly namespace: string; readonly log: Logger }) {
  const { url, namespace, log } = options;
  // The hash tag keeps all keys of the queue in one slot of a Redis Cluster.
  const prefix = `{${namespace}}`;
  const producer = new Redis(url, {
    maxRetriesPerRequest: 1,
    commandTimeout: 1000,
    connectTimeout: 1000,
    enableOfflineQueue: false,
  });
  producer.on('error', (error) => log.debug({ err: error.message }, 'redis (producer)'));
  const queue = new Queue(QUEUE, { connection: producer as ConnectionOptions, prefix, skipVersionCheck: true });
  queue.on('error', (error) => log.debug({ err: error.message }, 'queue'));
  const pending = new Set<string>();
  let worker: Worker | undefined;
  let consumer: Redis | undefined;

  return {
    queue,
    redis: producer,
    /** Wakes whoever works on `name`, once however often it is said while the work goes on. */
    wake(name: string): void {
      if (pending.has(name)) return;
      pending.add(name);
      queue
        .add(
          name,
          {},
          { deduplication: { id: name, keepLastIfActive: true }, removeOnComplete: true, removeOnFail: true },
        )
        .catch((error: unknown) =>
          log.debug(
            { err: error instanceof Error ? error.message : 'unknown' },
            'wake-up lost; the sweeper takes over',
          ),
        )
        .finally(() => pending.delete(name));
    },
    work(handler: Wakeup, concurrency: number): void {
      consumer = new Redis(url, { maxRetriesPerRequest: null });
      consumer.on('error', (error) => log.debug({ err: error.message }, 'redis (worker)'));
      worker = new Worker(QUEUE, async (job) => handler(job.name), {
        connection: consumer as ConnectionOptions,
        prefix,
        concurrency,
        skipVersionCheck: true,
      });
      worker.on('error', (error) => log.debug({ err: error.message }, 'wake-up worker'));
    },
    async close(): Promise<void> {
      const limit = new Promise<void>((resolve) => setTimeout(resolve, 3000).unref());
      await Promise.race([worker?.close(), limit]).catch(() => undefined);
      await Promise.race([queue.close(), limit]).catch(() => undefined);
      consumer?.disconnect();
      producer.disconnect();
    },
  };
}

export type WakeupQueue = ReturnType<typeof createQueue>;
