import { type Connection, Schema } from 'mongoose';
import { DURABLE } from './connect.js';

const configurationSchema = new Schema(
  { _id: String, hash: String, since: Date, left: Number, total: Number, finished: Date },
  { collection: 'configurations', versionKey: false },
);

export interface Evaluation {
  readonly hash: string;
  readonly since: Date;
  /** Contacts not yet looked at under this configuration. */
  readonly left?: number;
  readonly total?: number;
  readonly finished?: Date;
}

/** Contacts that are yet to be looked at. */
export function leftOf(evaluation: Evaluation | undefined): number {
  return evaluation?.finished ? 0 : (evaluation?.left ?? 0);
}

/**
 * The configuration in force: that of the process started last. While a new version is rolled out, processes with the
 * former one do not evaluate contacts back.
 */
export function createConfigurations(connection: Connection) {
  const model = connection.model('Configuration', configurationSchema);
  const id = { _id: 'current' } as never;
  return {
    models: [model] as const,

    async current(): Promise<Evaluation | undefined> {
      return ((await model.collection.findOne(id)) as unknown as Evaluation | null) ?? undefined;
    },

    /** Puts a configuration in force; nothing changes when it is already. */
    async enforce(hash: string): Promise<void> {
      await model.collection
        .updateOne(
          { ...(id as object), hash: { $ne: hash } } as never,
          { $set: { hash, since: new Date() }, $unset: { left: '', total: '', finished: '' } },
          { writeConcern: DURABLE },
        )
        .then(async ({ matchedCount }) => {
          if (matchedCount === 0)
            await model.collection.updateOne(
              id,
              { $setOnInsert: { hash, since: new Date() } },
              { upsert: true, writeConcern: DURABLE },
            );
        });
    },

    async progress(hash: string, left: number): Promise<void> {
      await model.collection.updateOne({ ...(id as object), hash } as never, {
        $set: { left, ...(left === 0 ? { finished: new Date() } : {}) },
        ...(left === 0 ? {} : { $unset: { finished: '' } }),
        $max: { total: left },
      });
    },
  };
}

export type Configurations = ReturnType<typeof createConfigurations>;
