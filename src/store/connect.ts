import { types } from 'node:util';
import mongoose, { type Connection } from 'mongoose';
import { HushError } from '../core/errors.js';
import type { Machine, Timer } from '../core/machine.js';

/** Longest (ms) that somebody who waits for one answer waits for the database: links answer within 2 s all the same. */
export const ANSWER_TIMEOUT_MS = 1700;
/** The same for work on many contacts at once. */
export const BATCH_TIMEOUT_MS = 8000;

/** An acknowledged write has reached the journal of a majority; after 1.5 s without that it has not happened. */
export const DURABLE: { readonly w: 'majority'; readonly j: true; wtimeout: number } = {
  w: 'majority',
  j: true,
  wtimeout: 1500,
};

let stretch = 1;

/**
 * Allows the database `answerMs` for one answer, and proportionally more or less for everything else that waits for it: for
 * slow storage, and for tests, which must not fail on a slow machine. Holds for the whole process.
 */
export function setStoreTimeout(answerMs: number): void {
  stretch = answerMs / ANSWER_TIMEOUT_MS;
  DURABLE.wtimeout = stretched(1500);
}

/** A limit (ms) on the database as this process allows it. */
export function stretched(ms: number): number {
  return Math.round(ms * stretch);
}

/**
 * Connects with limits short enough that an opt-out link can still answer honestly within 2 s when MongoDB is away.
 */
export async function connectStore(uri: string, namespace: string): Promise<Connection> {
  const connection = mongoose.createConnection(uri, {
    serverSelectionTimeoutMS: stretched(1500),
    connectTimeoutMS: stretched(1500),
    socketTimeoutMS: stretched(20_000),
    bufferCommands: false,
    autoIndex: false,
    autoCreate: false,
    maxPoolSize: 50,
    retryWrites: true,
    readPreference: 'primary',
    // Bytes come as Buffers, not in the driver's own class.
    promoteBuffers: true,
    ...(/^mongodb(\+srv)?:\/\/[^/]+\/[^?]/.test(uri) ? {} : { dbName: namespace }),
  });
  try {
    await connection.asPromise();
  } catch (error) {
    // Else its driver would go on looking for the servers.
    await connection.destroy().catch(() => undefined);
    throw error;
  }
  return connection;
}

/** True for a replica set or a sharded cluster: a standalone server has no majority that a write could have reached. */
export async function keepsMajorities(connection: Connection): Promise<boolean> {
  const hello = await connection.db?.admin().command({ hello: 1 });
  return hello?.setName !== undefined || hello?.msg === 'isdbgrid';
}

const UNAVAILABLE_NAMES =
  /MongoServerSelection|MongoNetwork|PoolCleared|WriteConcern|NotPrimary|MongoTopologyClosed|MongoNotConnected|MongooseError|MongoPoolCleared|PoolClosed|MongoClientClosed|MongoStalePrimary|MongoWaitQueueTimeout|MongoExpiredSession|MongoTimeout|MongoOperationTimeout/;

/** What a socket says of a server that is gone, when the driver hands it on as it is. */
const UNAVAILABLE_CODES = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH)$/;

/** True for an error that says the database could not be reached or did not confirm in time, or that was caused by one. */
export function isUnavailable(error: unknown): boolean {
  // Of any realm: a socket's own errors are not made where the driver's are.
  if (!types.isNativeError(error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (
    UNAVAILABLE_NAMES.test(error.name) ||
    (typeof code === 'string' && UNAVAILABLE_CODES.test(code)) ||
    [64, 91, 189, 10107, 11600, 11602, 13435, 13436].includes(Number(code)) ||
    isUnavailable(error.cause) ||
    // A bulk write keeps what broke it here, not as its cause.
    ('errorResponse' in error && isUnavailable(error.errorResponse))
  );
}

/**
 * The result of `work`, or an error of which `isUnavailable` is true after `ms`: a connection whose packets are dropped says
 * nothing for 20 s. What was under way may still happen; its outcome is unknown then, and must be said to be.
 */
export async function withTimeout<T>(
  machine: Pick<Machine, 'after'>,
  work: Promise<T>,
  ms = ANSWER_TIMEOUT_MS,
): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = machine.after(stretched(ms), () => {
      reject(Object.assign(new Error('the database did not answer in time'), { name: 'MongoOperationTimeoutError' }));
    });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer?.cancel();
  }
}

/** Turns "database unavailable" into the honest answer; passes everything else on. */
export function unavailable(error: unknown): unknown {
  if (!isUnavailable(error)) return error;
  return new HushError(
    'unavailable',
    'The record cannot be reached right now, so nothing is confirmed.',
    { retryAfter: 5, remedy: 'try again in a few seconds' },
    { cause: error },
  );
}

export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 11000;
}
