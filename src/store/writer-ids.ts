import type { Connection } from 'mongoose';
import { DAY_MS } from '../core/calendar.js';
import type { Machine } from '../core/machine.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

/** Idempotency keys are kept for 24 hours. */
const IDEMPOTENCY_MS = DAY_MS;

interface WriterIdRow {
  readonly _id: string;
  readonly content: string;
  readonly at: Date;
}

const writerIdSchema = collectionSchema<WriterIdRow>('writer_ids', {
  _id: { type: String, required: true },
  content: { type: String, required: true },
  at: { type: Date, required: true },
});

/** A request under an Idempotency-Key, and its answer once it was answered for good. */
interface AnswerRow {
  readonly _id: string;
  readonly content: string;
  readonly act?: string;
  /** ms of the program's clock; the database removes the row by `at`. */
  readonly takenAt?: number;
  readonly status?: number;
  readonly body?: string;
  readonly at: Date;
}

const answerSchema = collectionSchema<AnswerRow>('idempotent_answers', {
  _id: { type: String, required: true },
  content: { type: String, required: true },
  act: String,
  takenAt: Number,
  status: Number,
  body: String,
  at: { type: Date, required: true },
});
answerSchema.index({ at: 1 }, { expireAfterSeconds: IDEMPOTENCY_MS / 1000 });

/** A request that came under the same Idempotency-Key before; with its answer, unless it was not answered for good. */
export interface EarlierRequest {
  readonly content: string;
  readonly status?: number;
  readonly body?: string;
}

/** What writers called their events and requests, so that a retry is known from a new act. */
export function createWriterIds(connection: Connection, machine: Pick<Machine, 'now' | 'randomBytes'>) {
  const model = connection.model('WriterId', writerIdSchema);
  const answers = connection.model('IdempotentAnswer', answerSchema);
  return {
    models: [model, answers] as const,

    /** Claims ids, each for the content that comes with it first. Returns the content that every id stands for. */
    async claim(ids: readonly { readonly id: string; readonly content: string }[]): Promise<Map<string, string>> {
      const first = new Map<string, string>();
      for (const { id, content } of ids) if (!first.has(id)) first.set(id, content);
      if (first.size === 0) return first;
      const at = new Date(machine.now());
      try {
        await model.insertMany(
          [...first].map(([_id, content]) => ({ _id, content, at })),
          { ordered: false, throwOnValidationError: true, writeConcern: DURABLE },
        );
        return first;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const rows = await model.find({ _id: { $in: [...first.keys()] } }).lean();
      return new Map(rows.map(({ _id, content }) => [_id, content]));
    },

    /**
     * Takes an Idempotency-Key at `now` (ms) for a request. `act` names the request until the key is forgotten; after that
     * the same key has another one, so that what it sends is a new act. `earlier` is there when the key was taken before.
     */
    async takeKey(id: string, content: string, now: number): Promise<{ act: string; earlier?: EarlierRequest }> {
      const fresh = {
        content,
        act: machine.randomBytes(9).toString('base64url'),
        takenAt: now,
        at: new Date(machine.now()),
      };
      for (;;) {
        try {
          await answers.insertOne({ _id: id, ...fresh }, { writeConcern: DURABLE });
          return { act: fresh.act };
        } catch (error) {
          if (!isDuplicate(error)) throw error;
        }
        const row = await answers.findById(id).lean();
        if (!row) continue;
        // MongoDB removes what is too old within a minute or so. Until then it does not count any more.
        if (now - (row.takenAt ?? row.at.getTime()) >= IDEMPOTENCY_MS) {
          const former = { _id: id, at: row.at };
          const { matchedCount } = await answers.replaceOne(former, { _id: id, ...fresh }, { writeConcern: DURABLE });
          if (matchedCount === 0) continue;
          return { act: fresh.act };
        }
        return {
          act: row.act ?? '',
          earlier: {
            content: row.content,
            ...(row.status === undefined ? {} : { status: row.status, body: row.body ?? '' }),
          },
        };
      }
    },

    async keepAnswer(id: string, act: string, status: number, body: string): Promise<void> {
      await answers.updateOne({ _id: id, act }, { $set: { status, body } }, { writeConcern: DURABLE });
    },
  };
}

export type WriterIds = ReturnType<typeof createWriterIds>;
