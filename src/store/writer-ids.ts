import { randomBytes } from 'node:crypto';
import { type Connection, Schema } from 'mongoose';
import { DAY_MS } from '../core/calendar.js';
import { DURABLE, isDuplicate } from './connect.js';

/** Idempotency keys are kept for 24 hours. */
const IDEMPOTENCY_MS = DAY_MS;

const writerIdSchema = new Schema(
  { _id: String, content: String, at: Date },
  { collection: 'writer_ids', versionKey: false },
);

const answerSchema = new Schema(
  { _id: String, content: String, act: String, takenAt: Number, status: Number, body: String, at: Date },
  { collection: 'idempotent_answers', versionKey: false },
);
answerSchema.index({ at: 1 }, { expireAfterSeconds: IDEMPOTENCY_MS / 1000 });

/** A request that came under the same Idempotency-Key before; with its answer, unless it was not answered for good. */
export interface EarlierRequest {
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

    /** Claims ids, each for the content that comes with it first. Returns the content that every id stands for. */
    async claim(ids: readonly { readonly id: string; readonly content: string }[]): Promise<Map<string, string>> {
      const first = new Map<string, string>();
      for (const { id, content } of ids) if (!first.has(id)) first.set(id, content);
      if (first.size === 0) return first;
      const at = new Date();
      try {
        await model.collection.insertMany(
          [...first].map(([id, content]) => ({ _id: id as never, content, at })),
          { ordered: false, writeConcern: DURABLE },
        );
        return first;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const rows = await model.collection.find({ _id: { $in: [...first.keys()] } as never }).toArray();
      return new Map(rows.map((row) => [String(row._id), String(row.content)]));
    },

    /**
     * Takes an Idempotency-Key at `now` (ms) for a request. `act` names the request until the key is forgotten; after that
     * the same key has another one, so that what it sends is a new act. `earlier` is there when the key was taken before.
     */
    async takeKey(id: string, content: string, now: number): Promise<{ act: string; earlier?: EarlierRequest }> {
      const fresh = { content, act: randomBytes(9).toString('base64url'), takenAt: now, at: new Date() };
      for (;;) {
        try {
          await answers.collection.insertOne({ _id: id as never, ...fresh }, { writeConcern: DURABLE });
          return { act: fresh.act };
        } catch (error) {
          if (!isDuplicate(error)) throw error;
        }
        const row = await answers.collection.findOne({ _id: id as never });
        if (!row) continue;
        // MongoDB removes what is too old within a minute or so. Until then it does not count any more.
        if (now - Number(row.takenAt ?? row.at) >= IDEMPOTENCY_MS) {
          const { matchedCount } = await answers.collection.replaceOne({ _id: id as never, at: row.at }, fresh, {
            writeConcern: DURABLE,
          });
          if (matchedCount === 0) continue;
          return { act: fresh.act };
        }
        return {
          act: String(row.act ?? ''),
          earlier: {
            content: String(row.content),
            ...(row.status ? { status: Number(row.status), body: String(row.body) } : {}),
          },
        };
      }
    },

    async keepAnswer(id: string, act: string, status: number, body: string): Promise<void> {
      await answers.collection.updateOne(
        { _id: id as never, act },
        { $set: { status, body } },
        { writeConcern: DURABLE },
      );
    },
  };
}

export type WriterIds = ReturnType<typeof createWriterIds>;
