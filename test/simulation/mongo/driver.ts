import type { ObjectId } from 'mongodb';
import mongoose from 'mongoose';
import { driverFile } from './driver-internals.js';
import { responseOf } from './responses.js';
import { isRow, type Row } from './values.js';

/**
 * Sends a command to the simulated server: resolves with its answer, also with one of `ok: 0`, or rejects with what the
 * driver would make of a lost connection or a time that is over (`faults.ts`). Who writes it decides when.
 */
export type Send = (db: string, command: Row) => Promise<Row>;

/** What a connection sends its commands by. May be changed: the connection and its models then serve another process. */
export interface Line {
  send: Send;
  /** Ids of documents that the client inserts without one. */
  createId: () => ObjectId;
}

interface Session {
  readonly serverSession?: { isDirty: boolean };
  inTransaction(): boolean;
}

/** What is used of the driver's operations. */
interface Operation {
  readonly ns: { readonly db: string };
  readonly session?: Session;
  buildCommand(connection: object, session: Session | undefined): Row;
  buildOptions(timeoutContext: object): object;
}

const { MongoNetworkError, MongoServerError, MongoWriteConcernError } = mongoose.mongo;
const {
  applySession,
  updateSessionFromResponse,
}: {
  applySession(session: Session, command: Row, options: object): Error | undefined;
  updateSessionFromResponse(session: Session, response: object): void;
} = driverFile('mongodb/lib/sessions.js');

const { DocumentSequence }: { DocumentSequence: abstract new () => { readonly documents: readonly object[] } } =
  driverFile('mongodb/lib/cmap/commands.js');

/** The command with its long lists in their places: over a wire they would go beside it. */
function whole(command: Row): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(command).map(([field, value]) => [
      field,
      value instanceof DocumentSequence ? value.documents : value,
    ]),
  );
}

const HELLO = {
  maxWireVersion: 21,
  logicalSessionTimeoutMinutes: 30,
  maxBsonObjectSize: 16_777_216,
  maxWriteBatchSize: 100_000,
  maxMessageSizeBytes: 48_000_000,
};
const PRIMARY = { type: 'RSPrimary', address: 'simulated:27017', ...HELLO };

/**
 * In the place of the driver's topology: one primary that is always there. Commands are built, and errors treated, as
 * the driver does it (`mongodb/lib/sdam/server.js`, `cmap/connection.js`), but for sockets, pools and monitors.
 */
export function topologyFor(line: Line): object {
  const connection = { hello: HELLO, description: PRIMARY };
  const server = {
    description: PRIMARY,
    loadBalanced: false,
    async command(operation: Operation, timeoutContext: object): Promise<object> {
      const { session, ns } = operation;
      const command = whole(operation.buildCommand(connection, session));
      const options = operation.buildOptions(timeoutContext);
      const refused = session && applySession(session, command, options);
      if (refused) throw refused;
      try {
        const reply = await line.send(ns.db, command);
        return answered(reply, session);
      } catch (error) {
        throw labelled(error, session, command);
      }
    },
  };
  return {
    description: {
      type: 'ReplicaSetWithPrimary',
      servers: new Map(),
      logicalSessionTimeoutMinutes: 30,
      commonWireVersion: 21,
    },
    s: { options: { retryReads: true, retryWrites: true, maxAdaptiveRetries: 2 }, servers: new Map() },
    logicalSessionTimeoutMinutes: 30,
    commonWireVersion: 21,
    loadBalanced: false,
    lastHello: () => HELLO,
    isConnected: () => true,
    isDestroyed: () => false,
    selectServer: async () => server,
    close: () => undefined,
    closeCheckedOutConnections: () => undefined,
  };
}

function answered(reply: Row, session: Session | undefined): object {
  const response = responseOf(reply);
  if (session) updateSessionFromResponse(session, response);
  if (reply.ok !== 1) throw new MongoServerError({ ...reply });
  const { writeConcernError } = reply;
  if (isRow(writeConcernError)) {
    throw new MongoWriteConcernError({
      ...reply,
      ok: 1,
      writeConcernError: {
        ...writeConcernError,
        code: Number(writeConcernError.code),
        errmsg: String(writeConcernError.errmsg),
      },
    });
  }
  return response;
}

/** After a lost connection the driver leaves a session and says by labels what may be tried again. */
function labelled(error: unknown, session: Session | undefined, command: Row): unknown {
  if (!(error instanceof MongoNetworkError)) return error;
  if (session?.serverSession) session.serverSession.isDirty = true;
  const endsTransaction = 'commitTransaction' in command || 'abortTransaction' in command;
  error.addErrorLabel(
    session?.inTransaction() && !endsTransaction ? 'TransientTransactionError' : 'RetryableWriteError',
  );
  return error;
}
