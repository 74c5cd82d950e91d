import type { Context } from './command.js';
import { CommandError } from './errors.js';
import type { RetryRecord } from './state.js';
import type { Row } from './values.js';

/**
 * Runs a statement, unless it is one of a retryable write that was made before: then it is answered as it was then. The
 * server remembers what was written alone: what failed or changed nothing is run again.
 */
export function retried(context: Context, statement: number, run: () => Row): { result: Row; isRetry: boolean } {
  const { server, session, number, transaction } = context;
  if (session === undefined || number === undefined || transaction) return { result: run(), isRetry: false };
  const { state } = server;
  const { statements } = recordOf(state.retries, session, number);
  const former = statements.get(statement);
  if (former) return { result: former.result, isRetry: true };
  const before = state.head;
  const result = run();
  if (state.head > before) statements.set(statement, { position: state.head, result });
  return { result, isRetry: false };
}

/** Throws for a write of a session that has begun a later one since. */
export function checkRetry({ server, session, number, transaction }: Context): void {
  if (session !== undefined && number !== undefined && !transaction) recordOf(server.state.retries, session, number);
}

function recordOf(retries: Map<string, RetryRecord>, session: string, number: number): RetryRecord {
  const latest = retries.get(session);
  if (latest?.transaction === number) return latest;
  if (latest && latest.transaction > number) {
    throw new CommandError(225, `Retryable write with txnNumber ${number} is prohibited: a newer one has started`);
  }
  const record: RetryRecord = { transaction: number, statements: new Map() };
  retries.set(session, record);
  return record;
}
