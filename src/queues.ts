import { types } from 'node:util';
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { AwayError, ConfigError } from './config/yaml-file.js';

/** Work that is not one destination's, by the name of its queue. */
export const WORK = ['evaluation', 'reconcile', 'mail', 'access-package', 'export'] as const;
export type QueueName = (typeof WORK)[number] | `sync-${string}`;

/** The queue of a destination. */
export const syncQueue = (destination: string): QueueName => `sync-${destination}`;

/**
 * Does all that is due under its queue's name, as the store says; a job holds nothing. `report` says how far it is, in
 * counts only: operators see it on the queue board.
 */
export type Handler = (report: (progress: Readonly<Record<string, number>>) => void) => Promise<unknown>;

/** Finished jobs are kept to look at: so many of a queue, for a day (s). */
const KEPT_JOBS = { count: 50, age: 86_400 };
/** A handler that threw is tried again after 1, 2, 4 and 8 s; after that the sweeper does its work. */
const RETRIES = { attempts: 5, backoff: { type: 'exponential', delay: 1000 } };
const MAX_CLOSE_MS = 3000;

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
  return new AwayError(
    `REDIS_URL: no Redis answers at ${host}${why ? ` (${why})` : ''}. Start it there, or correct the host and port.`,
  );
}

/**
 * Redis with `noeviction` or none: with another policy it throws jobs away under memory pressure (measured).
 *
 * @throws AwayError when Redis cannot be reached, ConfigError when it refuses us or would drop jobs; one line each
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
 * Queues named for the work: one a destination, and one for each of `WORK`. A job only says that there is work; what is to be
 * done is read from the store. `add` never fails its caller and never waits for Redis longer than a command may take:
 * losing every job costs the time until the loops of a worker look for themselves, and nothing else.
 */
export function createQueues(options: {
  readonly url: string;
  readonly namespace: string;
  readonly destinations: readonly string[];
  readonly log: Logger;
  /** False where Redis was away at the start: its settings are looked at when it comes. */
  readonly wasChecked?: boolean;
}) {
  const { url, namespace, log } = options;
  // The hash tag keeps all keys of a queue in one slot of a Redis Cluster.
  const prefix = `{${namespace}}`;
  const producer = new Redis(url, {
    maxRetriesPerRequest: 1,
    commandTimeout: 1000,
    connectTimeout: 1000,
    enableOfflineQueue: false,
  });
  producer.on('error', (error) => log.debug({ err: error.message }, 'redis (producer)'));
  /** Undefined until it has been here once. */
  let isHere: boolean | undefined;
  let isClosed = false;
  producer.on('ready', () => {
    if (isHere === false) log.warn('Redis is back');
    isHere = true;
    if (!wasChecked) void check();
  });
  producer.on('close', () => {
    if (isHere !== false && !isClosed)
      log.warn(
        'Redis is away: destinations hear from the sweeps, within seconds, and each process counts limits by itself',
      );
    isHere = false;
  });
  let { wasChecked = true } = options;

  /** What the start could not look at, because Redis was away. */
  async function check(): Promise<void> {
    try {
      await checkRedis(url);
      wasChecked = true;
    } catch (error) {
      if (error instanceof ConfigError && !(error instanceof AwayError)) log.error(error.message);
    }
  }
  const names: readonly QueueName[] = [...options.destinations.map(syncQueue), ...WORK];
  const queues = new Map(names.map((name) => [name, openQueue(name)]));
  const adding = new Set<QueueName>();
  const workers: Worker[] = [];
  let consumer: Redis | undefined;

  function openQueue(name: QueueName): Queue {
    const queue = new Queue(name, { connection: producer as ConnectionOptions, prefix, skipVersionCheck: true });
    queue.on('error', (error) => log.debug({ err: error.message, queue: name }, 'queue'));
    return queue;
  }

  return {
    /** In the order of the board. */
    queues: [...queues.values()] as readonly Queue[],
    redis: producer,
    isUp: (): boolean => producer.status === 'ready',

    /** Says that there is work: one job however often it is said, and one more when it is said while the job is active. */
    add(name: QueueName): void {
      if (adding.has(name)) return;
      adding.add(name);
      queues
        .get(name)
        ?.add(
          name,
          {},
          {
            deduplication: { id: name, keepLastIfActive: true },
            removeOnComplete: KEPT_JOBS,
            removeOnFail: KEPT_JOBS,
            ...RETRIES,
          },
        )
        .catch((error: unknown) =>
          log.debug({ err: error instanceof Error ? error.message : 'unknown', queue: name }, 'a job was lost'),
        )
        .finally(() => adding.delete(name));
    },

    /** Works on every queue that has a handler: one job of a queue at a time in this process. */
    work(handlers: ReadonlyMap<QueueName, Handler>): void {
      consumer = new Redis(url, { maxRetriesPerRequest: null });
      consumer.on('error', (error) => log.debug({ err: error.message }, 'redis (worker)'));
      for (const [name, handler] of handlers) {
        const worker = new Worker(
          name,
          async (job) => {
            // Progress is for the eye: a report that is lost stops nothing.
            await handler((progress) => void job.updateProgress({ ...progress }).catch(() => undefined));
          },
          { connection: consumer as ConnectionOptions, prefix, skipVersionCheck: true },
        );
        worker.on('error', (error) => log.debug({ err: error.message, queue: name }, 'queue worker'));
        worker.on('failed', (job, error) =>
          log.warn({ err: error, queue: name, attempts: job?.attemptsMade }, 'a job failed; it is tried again'),
        );
        workers.push(worker);
      }
    },

    async close(): Promise<void> {
      isClosed = true;
      const limit = new Promise<void>((resolve) => setTimeout(resolve, MAX_CLOSE_MS).unref());
      for (const open of [workers, [...queues.values()]]) {
        await Promise.race([Promise.all(open.map((one) => one.close())), limit]).catch(() => undefined);
      }
      consumer?.disconnect();
      producer.disconnect();
    },
  };
}

export type Queues = ReturnType<typeof createQueues>;
