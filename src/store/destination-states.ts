import { type Connection, Schema, Types, type UpdateQuery } from 'mongoose';
import { collectionSchema, partSchema } from './schema.js';

export interface DestinationState {
  readonly paused: boolean;
  /** ms; nothing is sent before. */
  readonly waitUntil?: number;
  /** ms */
  readonly lastSyncedAt?: number;
  /** Ids of the lists that are kept as copies, by list. */
  readonly lists?: Readonly<Record<string, string>>;
  readonly lastError?: { readonly kind: string; readonly message: string; readonly at: number };
}

interface StateRow extends Omit<Partial<DestinationState>, 'lastSyncedAt'> {
  readonly _id: string;
  /** `lastSyncedAt`, by its first name. */
  readonly lastToldAt?: number;
}

const stateSchema = collectionSchema<StateRow>('destination_states', {
  _id: { type: String, required: true },
  paused: Boolean,
  waitUntil: Number,
  lastToldAt: Number,
  lists: Schema.Types.Mixed,
  lastError: partSchema<NonNullable<DestinationState['lastError']>>({
    kind: { type: String, required: true },
    message: { type: String, required: true },
    at: { type: Number, required: true },
  }),
});

/** A job that a provider works on. */
interface JobRow {
  readonly _id: Types.ObjectId;
  readonly destination: string;
  readonly job: string;
  readonly binding: string;
  readonly contacts: readonly Buffer[];
  /** ms */
  readonly at: number;
  readonly due: number;
}

const jobSchema = collectionSchema<JobRow>('provider_jobs', {
  _id: { type: Schema.Types.ObjectId, required: true },
  destination: { type: String, required: true },
  job: { type: String, required: true },
  binding: { type: String, required: true },
  contacts: { type: [Buffer], required: true },
  at: { type: Number, required: true },
  due: { type: Number, required: true },
});
jobSchema.index({ destination: 1, due: 1 });

/** What is known of each destination as a whole, and of the jobs it works on. */
export function createDestinationStates(connection: Connection) {
  const model = connection.model('DestinationState', stateSchema);
  const jobs = connection.model('ProviderJob', jobSchema);
  const update = async (name: string, change: UpdateQuery<StateRow>): Promise<void> => {
    await model.updateOne({ _id: name }, change, { upsert: true });
  };
  const set = (name: string, fields: Readonly<Record<string, unknown>>) => update(name, { $set: fields });
  return {
    models: [model, jobs] as const,

    async get(name: string): Promise<DestinationState> {
      const { lastToldAt, ...state } = (await model.findById(name, { _id: 0 }).lean()) ?? {};
      return { paused: false, ...state, ...(lastToldAt === undefined ? {} : { lastSyncedAt: lastToldAt }) };
    },
    waitUntil: (name: string, until: number) => set(name, { waitUntil: until }),
    /** The id under which a list is whole. */
    rememberList: (name: string, list: string, listId: string) => set(name, { [`lists.${list}`]: listId }),
    pause: (name: string, paused: boolean) => set(name, { paused }),
    fault: (name: string, kind: string, message: string, at: number) => set(name, { lastError: { kind, message, at } }),
    /** Something was synced: an error of credentials is over. */
    recordSynced: (name: string, at: number) => update(name, { $set: { lastToldAt: at }, $unset: { lastError: '' } }),
    /** A call succeeded: what was last wrong is over. */
    async clearError(name: string): Promise<void> {
      await model.updateOne({ _id: name }, { $unset: { lastError: '' } });
    },

    async rememberJob(
      destination: string,
      job: string,
      binding: string,
      contacts: readonly Buffer[],
      at: number,
    ): Promise<void> {
      await jobs.insertOne({
        _id: new Types.ObjectId(),
        destination,
        job,
        binding,
        contacts: [...contacts],
        at,
        due: at + 1000,
      });
    },
    async dueJobs(destination: string, now: number) {
      const rows = await jobs
        .find({ destination, due: { $lte: now } })
        .limit(100)
        .lean();
      return rows.map(({ _id, job, binding, at, contacts }) => ({ id: _id, job, binding, at, contacts }));
    },
    async postponeJob(id: Types.ObjectId, due: number): Promise<void> {
      await jobs.updateOne({ _id: id }, { $set: { due } });
    },
    async dropJob(id: Types.ObjectId): Promise<void> {
      await jobs.deleteOne({ _id: id });
    },
  };
}

export type DestinationStates = ReturnType<typeof createDestinationStates>;
