import { type Connection, Schema } from 'mongoose';
import { isDuplicate } from './connect.js';

const replaySchema = new Schema({ _id: String, until: Date }, { collection: 'replays', versionKey: false });
replaySchema.index({ until: 1 }, { expireAfterSeconds: 0 });

/** Requests of outside systems that were taken, for as long as their own clock window would let them in again. */
export function createReplays(connection: Connection) {
  const model = connection.model('Replay', replaySchema);
  return {
    models: [model] as const,
    async seen(id: string): Promise<boolean> {
      return (await model.collection.findOne({ _id: id as never })) !== null;
    },
    async remember(id: string, until: number): Promise<void> {
      try {
        await model.collection.insertOne({ _id: id as never, until: new Date(until) });
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
    },
  };
}

export type Replays = ReturnType<typeof createReplays>;
