import type { Connection } from 'mongoose';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

interface ReplayRow {
  readonly _id: string;
  /** Absent in rows from before contents were stored. */
  readonly content?: string;
  readonly until: Date;
}

const replaySchema = collectionSchema<ReplayRow>('replays', {
  _id: { type: String, required: true },
  content: String,
  until: { type: Date, required: true },
});
replaySchema.index({ until: 1 }, { expireAfterSeconds: 0 });

/** `first`: nobody had used it. `same`: used before with this content. `other`: used before with another content. */
export type Claim = 'first' | 'same' | 'other';

/** Signatures of outside systems that were used, for as long as their own clock window would let them in again. */
export function createReplays(connection: Connection) {
  const model = connection.model('Replay', replaySchema);
  return {
    models: [model] as const,

    /**
     * Uses a signature for a content. One insert decides, so of many requests at once one is first; and a request that
     * broke off after its claim is the same when the provider sends it again, so nothing is lost.
     *
     * @param until ms
     */
    async claim(id: string, content: string, until: number): Promise<Claim> {
      try {
        await model.insertOne({ _id: id, content, until: new Date(until) }, { writeConcern: DURABLE });
        return 'first';
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const used = await model.findById(id).lean();
      // What a row without a content stands for was recorded.
      return used?.content === undefined || used.content === null || used.content === content ? 'same' : 'other';
    },
  };
}

export type Replays = ReturnType<typeof createReplays>;
