import type { Connection } from 'mongoose';
import type { Machine } from '../../core/machine.js';

/** One step from what an earlier version stored to what this one stores. docs/migrations.md says what it may do. */
export interface Migration {
  /** As its file. Recorded for ever: never renamed. */
  readonly name: string;
  /** May be broken off and run again, and may run beside processes of the version before. All models are there. */
  run(connection: Connection, machine: Pick<Machine, 'now'>): Promise<void>;
}
