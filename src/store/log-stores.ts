import type { Connection } from 'mongoose';
import type { Ledger } from './ledger.js';
import { createLogCheckpoints } from './log-checkpoints.js';
import { createLogQueue } from './log-queue.js';
import { createLogStore } from './transparency-log.js';

/** All that is stored of the transparency log. */
export function createLogStores(connection: Connection, ledger: Ledger) {
  const leaves = createLogStore(connection);
  const queue = createLogQueue(connection, ledger, leaves);
  const checkpoints = createLogCheckpoints(connection);
  return { leaves, queue, checkpoints, models: [...leaves.models, ...queue.models, ...checkpoints.models] as const };
}

export type LogStores = ReturnType<typeof createLogStores>;
