import { types } from 'node:util';
import { Binary, Long, ObjectId } from 'mongodb';
import type { Connection } from 'mongoose';
import type { AnyCommand } from './arbitrary-commands.js';
import type { SimulatedMongo } from './server.js';
import { keyOf } from './values.js';

const DB = 'hush';

/** Fields of an answer that only a real server has a use for. */
const OF_THE_SERVER = new Set([
  '$clusterTime',
  'operationTime',
  'electionId',
  'opTime',
  'ns',
  'note',
  'errmsg',
  'codeName',
]);
/** Times of the generators are in 1970: a later one is the server's clock. */
const CLOCK = Date.UTC(2000);
const GIVEN = /^64b00000000000000000000[12]$/;

/** A value in a form in which answers of both servers are compared: clocks and ids of the server are only named. */
export function comparable(value: unknown): unknown {
  if (types.isDate(value)) return value.getTime() > CLOCK ? 'the time' : { date: value.getTime() };
  if (value instanceof ObjectId) return GIVEN.test(value.toHexString()) ? { id: value.toHexString() } : 'an id';
  if (value instanceof Binary) return { bytes: Buffer.from(value.value()).toString('hex') };
  if (value instanceof Long) return value.toNumber();
  if (Buffer.isBuffer(value)) return { bytes: value.toString('hex') };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  // A list of pairs: the order of fields counts.
  return Object.entries(value).map(([field, content]) => [field, comparable(content)]);
}

function withoutOrder(values: readonly unknown[]): unknown[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

function comparableReply(reply: object, isUnordered: boolean): Record<string, unknown> {
  const fields = Object.entries(reply).filter(([field]) => !OF_THE_SERVER.has(field));
  return Object.fromEntries(
    fields.map(([field, value]) => {
      if (field === 'cursor') {
        const batch = (value.firstBatch ?? []).map(comparable);
        return [field, isUnordered ? withoutOrder(batch) : batch];
      }
      if (field === 'values') return [field, withoutOrder(value.map(comparable))];
      if (field === 'writeErrors') return [field, value.map(comparableError)];
      return [field, comparable(value)];
    }),
  );
}

function comparableError({ index, code, errmsg, keyPattern, keyValue }: Record<string, unknown>) {
  return {
    index,
    code,
    ...(code === 11000
      ? { errmsg: String(errmsg).replace(/collection: \S+/, ''), key: [comparable(keyPattern), comparable(keyValue)] }
      : {}),
  };
}

const WRITE_CONCERN = { writeConcern: { w: 'majority' } };
const isRead = (command: object): boolean => ['find', 'count', 'distinct', 'aggregate'].some((name) => name in command);

/** Both servers, each with the collection `c` and its indexes. */
export interface Both {
  readonly real: Connection;
  readonly simulated: SimulatedMongo;
}

export const INDEXES = {
  createIndexes: 'c',
  indexes: [
    { key: { u: 1 }, name: 'u_1', unique: true, sparse: true },
    { key: { k: 1, m: 1 }, name: 'k_1_m_1', unique: true },
  ],
};

let lastTransaction = 0;

/** What both answer to a command, and to its repetition. */
export async function answersOf(
  { real, simulated }: Both,
  { command, isRepeated = false, isUnordered = false }: AnyCommand,
): Promise<{ real: unknown[]; simulated: unknown[] }> {
  const sent = isRead(command) ? command : { ...command, ...WRITE_CONCERN };
  const times = isRepeated ? 2 : 1;
  // Of all sessions: the driver uses them again.
  const txnNumber = ++lastTransaction;
  const session = isRepeated ? await real.startSession() : undefined;
  const answers: { real: unknown[]; simulated: unknown[] } = { real: [], simulated: [] };
  for (let time = 0; time < times; time++) {
    const mine = isRepeated ? { ...sent, lsid: { id: 'session' }, txnNumber } : sent;
    answers.simulated.push(comparableReply(simulatedAnswer(simulated, mine), isUnordered));
    const theirs = isRepeated ? { ...sent, txnNumber: Long.fromNumber(txnNumber) } : sent;
    const reply = await real.db?.command(theirs, session ? { session } : {}).catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'MongoServerError') throw error;
      return { ok: 0, code: 'code' in error ? error.code : undefined };
    });
    answers.real.push(comparableReply(reply ?? {}, isUnordered));
  }
  await session?.endSession();
  return answers;
}

function simulatedAnswer(simulated: SimulatedMongo, command: object): object {
  const { reply } = simulated.execute(DB, command);
  simulated.commit(simulated.head());
  return reply.ok === 1 ? reply : { ok: 0, code: reply.code };
}

/** The documents of a collection in both, by id. */
export async function documentsOf(
  { real, simulated }: Both,
  name = 'c',
): Promise<{ real: unknown; simulated: unknown }> {
  const found = await real.collection(name).find().toArray();
  const byId = (a: object, b: object): number => (keyOf(idOf(a)) < keyOf(idOf(b)) ? -1 : 1);
  return {
    real: found.sort(byId).map(comparable),
    simulated: [...simulated.documents(DB, name)].sort(byId).map(comparable),
  };
}

const idOf = (row: object): unknown => ('_id' in row ? row._id : undefined);
