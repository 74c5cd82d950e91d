import { type Connection, Schema } from 'mongoose';
import { DURABLE, isDuplicate } from './connect.js';

const writerIdSchema = new Schema(
  { _id: String, content: String, at: Date },
  { collection: 'writer_ids', versionKey: false },
);

const answerSchema = new Schema(
  { _id: String, content: String, status: Number, body: String, at: Date },
  { collection: 'idempotent_answers', versionKey: false },
);
// Idempotency keys are kept for 24 hours.
answerSchema.index({ at: 1 }, { expireAfterSeconds: 86_400 });

export interface KeptAnswer {
  readonly content: string;
  readonly status?: number;
  readonly body?: string;
}

/** What writers called their events and requests, so that a retry is known from a new act. */
export function createWriterIds(connection: Connection) {
  const model = connection.model('WriterId', writerIdSchema);
  const answers = connection.model('IdempotentAnswer', answerSchema);
  return {
    models: [model, answers] as const,

    /** Claims ids for contents; returns those that are already known with another content. */
    async claim(ids: readonly { readonly id: string; readonly content: string }[]): Promise<Set<string>> {
      if (ids.length === 0) return new Set();
      const at = new Date();
      try {
        await model.collection.insertMany(
          ids.map(({ id, content }) => ({ _id: id as never, content, at })),
          {
            ordered: false,
            writeConcern: DURABLE,
          },
        );
        return new Set();
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const rows = await model.collection.find({ _id: { $in: ids.map(({ id }) => id) } as never }).toArray();
      const known = new Map(rows.map((row) => [String(row._id), String(row.content)]));
      return new Set(ids.filter(({ id, content }) => known.get(id) !== content).map(({ id }) => id));
    },

    /** Takes an idempotency key: undefined when it is new, else what was kept under it. */
    async takeKey(id: string, content: string): Promise<KeptAnswer | undefined> {
      try {
        await answers.collection.insertOne({ _id: id as never, content, at: new Date() }, { writeConcern: DURABLE });
        return undefined;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const row = await answers.collection.findOne({ _id: id as never });
      if (!row) return undefined;
      return {
        content: String(row.content),
        ...(row.status ? { status: Number(row.status), body: String(row.body) } : {}),
      };
    },

    async keepAnswer(id: string, status: number, body: string): Promise<void> {
      await answers.collection.updateOne({ _id: id as never }, { $set: { status, body } }, { writeConcern: DURABLE });
    },

    /** Lets a key go whose request came to nothing. */
    async releaseKey(id: string): Promise<void> {
      await answers.collection.deleteOne({ _id: id as never });
    },
  };
}

export type WriterIds = ReturnType<typeof createWriterIds>;
