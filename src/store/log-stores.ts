import type { Connection } from 'mongoose';
import type { Machine } from '../core/machine.js';
import type { Ledger } from './ledger.js';
import { createLogCheckpoints } from './log-checkpoints.js';
import { createLogQueue } from './log-queue.js';
import { createLogStore } from './transparency-log.js';

/** All that is stored of the transparency log. */
export function createLogStores(connection: Connection, ledger: Ledger, machine: Pick<Machine, 'now'>) {
  const leaves = createLogStore(connection);
  const queue = createLogQueue(connection, ledger, leaves, machine);
  const checkpoints = createLogCheckpoints(connection, machine);
  return { leaves, queue, checkpoints, models: [...leaves.models, ...queue.models, ...checkpoints.models] as const };
}

export type LogStores = ReturnType<typeof createLogStores>;
