import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

export type StartedBy = 'schedule' | 'api' | 'staff' | 'cli';

/** How many contacts were found in which relation, by binding. */
export type Findings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** One comparison of what a destination holds with what it was told, as far as it has come. Times are ms. */
export interface Reconciliation {
  readonly run: string;
  readonly dryRun: boolean;
  readonly by: StartedBy;
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Counts the writes of this run: only who has read the last may write the next. */
  readonly step: number;
  /** `reading` pages there; `comparing` what was told; `asserting` denials where nothing can be read. */
  readonly phase: 'reading' | 'comparing' | 'asserting' | 'done';
  /** Index of the binding being read. */
  readonly binding: number;
  /** The provider's own, while reading. */
  readonly cursor?: string;
  /** Key (hex) of the contact compared last. */
  readonly after?: string;
  /** Entries read there. */
  readonly read: number;
  /** Contacts compared here. */
  readonly compared: number;
  /** Contacts that were told something when the run began: what there is to compare. */
  readonly expected: number;
  readonly found: Findings;
  /** Calls in a row that failed, and when the next is due. */
  readonly failures: number;
  readonly dueAt: number;
  readonly why?: string;
}

export interface Reconciled {
  /** Under way, or the last one when nothing is. */
  readonly current?: Reconciliation;
  /** The last that was finished and no dry run. */
  readonly last?: Reconciliation;
  readonly requested?: { readonly dryRun: boolean; readonly by: StartedBy; readonly at: number };
  /** ms; when the schedule first saw the destination. */
  readonly since?: number;
}

const reconciliationSchema = new Schema(
  {
    _id: String,
    current: Schema.Types.Mixed,
    last: Schema.Types.Mixed,
    requested: Schema.Types.Mixed,
    since: Number,
  },
  { collection: 'reconciliations', versionKey: false, minimize: false },
);

const seenSchema = new Schema(
  { run: String, binding: String, contact: Buffer, at: Date },
  { collection: 'reconciliation_seen', versionKey: false },
);
seenSchema.index({ run: 1, binding: 1, contact: 1 }, { unique: true });
// A run that nobody finishes is forgotten after a week.
seenSchema.index({ at: 1 }, { expireAfterSeconds: 7 * 86_400 });

const SEEN_BATCH = 1000;

/** How far each destination's comparison has come, and which contacts it has seen there. */
export function createReconciliations(connection: Connection) {
  const model = connection.model('Reconciliation', reconciliationSchema);
  const seenModel = connection.model('ReconciliationSeen', seenSchema);
  const seen = seenModel.collection;
  const id = (destination: string) => ({ _id: destination }) as never;

  return {
    models: [model, seenModel] as const,

    async get(destination: string): Promise<Reconciled> {
      const row = await model.collection.findOne(id(destination));
      return (row ?? {}) as unknown as Reconciled;
    },

    /** Remembers when the schedule of a destination began. */
    async notice(destination: string, now: number): Promise<void> {
      await model.collection.updateOne(id(destination), { $setOnInsert: { since: now } }, { upsert: true });
    },

    /** Asks for a run; whoever holds the lease begins it. One that is under way goes on. */
    async request(destination: string, wanted: { dryRun: boolean; by: StartedBy; at: number }): Promise<void> {
      await model.collection.updateOne(
        id(destination),
        { $set: { requested: wanted }, $setOnInsert: { since: wanted.at } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Begins a run, unless another is under way. */
    async begin(destination: string, run: Reconciliation): Promise<boolean> {
      const { matchedCount } = await model.collection.updateOne(
        {
          ...(id(destination) as object),
          $or: [{ current: { $exists: false } }, { 'current.phase': 'done' }],
        } as never,
        { $set: { current: run }, $unset: { requested: '' } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Writes the next step of a run. False when somebody else did: two leaders for a moment do no harm. */
    async save(destination: string, next: Reconciliation): Promise<boolean> {
      const { matchedCount } = await model.collection.updateOne(
        { ...(id(destination) as object), 'current.run': next.run, 'current.step': next.step - 1 } as never,
        { $set: { current: next, ...(next.phase === 'done' && !next.dryRun ? { last: next } : {}) } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Ends the wait of a run after a failure. */
    async hurry(destination: string): Promise<void> {
      await model.collection.updateOne({ ...(id(destination) as object), current: { $exists: true } } as never, {
        $set: { 'current.dueAt': 0 },
      });
    },

    /** These contacts are listed there. */
    async remember(run: string, binding: string, contacts: readonly Buffer[]): Promise<void> {
      const at = new Date();
      for (let i = 0; i < contacts.length; i += SEEN_BATCH) {
        const rows = contacts.slice(i, i + SEEN_BATCH).map((key) => ({ run, binding, contact: binary(key), at }));
        await seen.insertMany(rows, { ordered: false, writeConcern: DURABLE }).catch((error: unknown) => {
          if (!isDuplicate(error)) throw error;
        });
      }
    },

    /** Keys (hex) of those of the contacts that are listed there. */
    async listed(run: string, binding: string, contacts: readonly Buffer[]): Promise<Set<string>> {
      const rows = await seen
        .find({ run, binding, contact: { $in: contacts.map(binary) } } as never, {
          projection: { contact: 1 },
          promoteBuffers: true,
        })
        .toArray();
      return new Set(rows.map((row) => bytesOf(row.contact).toString('hex')));
    },

    async forget(run: string): Promise<void> {
      await seen.deleteMany({ run } as never);
    },
  };
}

export type Reconciliations = ReturnType<typeof createReconciliations>;
