import type { Connection } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';

export interface Evaluation {
  readonly hash: string;
  readonly since: Date;
  /** When a worker with it was there last. */
  readonly seen?: Date;
  /** Contacts not yet looked at under this configuration. */
  readonly left?: number;
  readonly total?: number;
  readonly finished?: Date;
}

const configurationSchema = collectionSchema<Evaluation & { readonly _id: 'current' }>('configurations', {
  _id: { type: String, required: true, enum: ['current'] },
  hash: { type: String, required: true },
  since: { type: Date, required: true },
  seen: Date,
  left: Number,
  total: Number,
  finished: Date,
});

/** Contacts that are yet to be looked at. */
export function leftOf(evaluation: Evaluation | undefined): number {
  return evaluation?.finished ? 0 : (evaluation?.left ?? 0);
}

/**
 * The configuration in force: that of the process started last, as long as there are workers with it. While a new version is
 * rolled out, processes with the former one do not evaluate contacts back.
 */
export function createConfigurations(connection: Connection, machine: Pick<Machine, 'now'>) {
  const model = connection.model('Configuration', configurationSchema);
  const id = { _id: 'current' } as const;
  return {
    models: [model] as const,

    async current(): Promise<Evaluation | undefined> {
      return (await model.findOne(id).lean()) ?? undefined;
    },

    /** Puts a configuration in force; nothing changes when it is already. */
    async enforce(hash: string): Promise<void> {
      const replaced = await model.updateOne(
        { ...id, hash: { $ne: hash } },
        { $set: { hash, since: new Date(machine.now()) }, $unset: { left: '', total: '', finished: '', seen: '' } },
        { writeConcern: DURABLE },
      );
      if (replaced.matchedCount === 1) return;
      const first = { $setOnInsert: { hash, since: new Date(machine.now()) } };
      await model.updateOne(id, first, { upsert: true, writeConcern: DURABLE });
    },

    /** A worker with this configuration is there. */
    async see(hash: string): Promise<void> {
      await model.updateOne({ ...id, hash }, { $set: { seen: new Date(machine.now()) } });
    },

    async progress(hash: string, left: number): Promise<void> {
      await model.updateOne(
        { ...id, hash },
        {
          $set: { left, ...(left === 0 ? { finished: new Date(machine.now()) } : {}) },
          ...(left === 0 ? {} : { $unset: { finished: '' } }),
          $max: { total: left },
        },
      );
    },
  };
}

export type Configurations = ReturnType<typeof createConfigurations>;
