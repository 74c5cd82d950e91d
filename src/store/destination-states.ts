import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';

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

const stateSchema = new Schema(
  {
    _id: String,
    paused: Boolean,
    waitUntil: Number,
    lastToldAt: Number,
    lists: Schema.Types.Mixed,
    lastError: Schema.Types.Mixed,
  },
  { collection: 'destination_states', versionKey: false },
);

const jobSchema = new Schema(
  { destination: String, job: String, binding: String, contacts: [Buffer], at: Number, due: Number },
  { collection: 'provider_jobs', versionKey: false },
);
jobSchema.index({ destination: 1, due: 1 });

/** What is known of each destination as a whole, and of the jobs it works on. */
export function createDestinationStates(connection: Connection) {
  const model = connection.model('DestinationState', stateSchema);
  const jobs = connection.model('ProviderJob', jobSchema);
  const id = (name: string) => ({ _id: name }) as never;
  const set = async (name: string, fields: Record<string, unknown>) => {
    await model.collection.updateOne(id(name), { $set: fields }, { upsert: true });
  };
  return {
    models: [model, jobs] as const,

    async get(name: string): Promise<DestinationState> {
      const row = await model.collection.findOne(id(name));
      const { lastToldAt, ...rest }: Record<string, unknown> = row ?? {};
      return {
        paused: false,
        ...rest,
        ...(lastToldAt === undefined ? {} : { lastSyncedAt: lastToldAt }),
      } as DestinationState;
    },
    waitUntil: (name: string, until: number) => set(name, { waitUntil: until }),
    /** The id under which a list is whole. */
    rememberList: (name: string, list: string, listId: string) => set(name, { [`lists.${list}`]: listId }),
    pause: (name: string, paused: boolean) => set(name, { paused }),
    fault: (name: string, kind: string, message: string, at: number) => set(name, { lastError: { kind, message, at } }),
    /** Something was synced: an error of credentials is over. */
    async recordSynced(name: string, at: number): Promise<void> {
      await model.collection.updateOne(
        id(name),
        { $set: { lastToldAt: at }, $unset: { lastError: '' } },
        { upsert: true },
      );
    },
    /** A call succeeded: what was last wrong is over. */
    async clearError(name: string): Promise<void> {
      await model.collection.updateOne(id(name), { $unset: { lastError: '' } });
    },

    async rememberJob(
      destination: string,
      job: string,
      binding: string,
      contacts: readonly Buffer[],
      at: number,
    ): Promise<void> {
      await jobs.collection.insertOne({
        destination,
        job,
        binding,
        contacts: contacts.map(binary),
        at,
        due: at + 1000,
      });
    },
    async dueJobs(destination: string, now: number) {
      const rows = await jobs.collection
        .find({ destination, due: { $lte: now } }, { limit: 100, promoteBuffers: true })
        .toArray();
      return rows.map((row) => ({
        id: row._id,
        job: String(row.job),
        binding: String(row.binding),
        at: Number(row.at),
        contacts: (row.contacts as unknown[]).map(bytesOf),
      }));
    },
    async postponeJob(jobId: unknown, due: number): Promise<void> {
      await jobs.collection.updateOne({ _id: jobId } as never, { $set: { due } });
    },
    async dropJob(jobId: unknown): Promise<void> {
      await jobs.collection.deleteOne({ _id: jobId } as never);
    },
  };
}

export type DestinationStates = ReturnType<typeof createDestinationStates>;
