import { type Connection, Schema, type Types } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema, partSchema } from './schema.js';

const STARTERS = ['schedule', 'api', 'staff', 'cli'] as const;
export type StartedBy = (typeof STARTERS)[number];

const PHASES = ['reading', 'comparing', 'asserting', 'done'] as const;

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
  readonly phase: (typeof PHASES)[number];
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

const runSchema = partSchema<Reconciliation>({
  run: { type: String, required: true },
  dryRun: { type: Boolean, required: true },
  by: { type: String, required: true, enum: STARTERS },
  startedAt: { type: Number, required: true },
  finishedAt: Number,
  step: { type: Number, required: true },
  phase: { type: String, required: true, enum: PHASES },
  binding: { type: Number, required: true },
  cursor: String,
  after: String,
  read: { type: Number, required: true },
  compared: { type: Number, required: true },
  expected: { type: Number, required: true },
  found: { type: Schema.Types.Mixed, required: true },
  failures: { type: Number, required: true },
  dueAt: { type: Number, required: true },
  why: String,
});

const reconciliationSchema = collectionSchema<Reconciled & { readonly _id: string }>('reconciliations', {
  _id: { type: String, required: true },
  current: runSchema,
  last: runSchema,
  requested: partSchema<NonNullable<Reconciled['requested']>>({
    dryRun: { type: Boolean, required: true },
    by: { type: String, required: true, enum: STARTERS },
    at: { type: Number, required: true },
  }),
  since: Number,
});

interface SeenRow {
  readonly _id: Types.ObjectId;
  readonly run: string;
  readonly binding: string;
  readonly contact: Buffer;
  readonly at: Date;
}

const seenSchema = collectionSchema<SeenRow>('reconciliation_seen', {
  _id: { type: Schema.Types.ObjectId, required: true },
  run: { type: String, required: true },
  binding: { type: String, required: true },
  contact: { type: Buffer, required: true },
  at: { type: Date, required: true },
});
seenSchema.index({ run: 1, binding: 1, contact: 1 }, { unique: true });
// A run that nobody finishes is forgotten after a week.
seenSchema.index({ at: 1 }, { expireAfterSeconds: 7 * 86_400 });

const SEEN_BATCH = 1000;

/** How far each destination's comparison has come, and which contacts it has seen there. */
export function createReconciliations(connection: Connection, machine: Pick<Machine, 'now'>) {
  const model = connection.model('Reconciliation', reconciliationSchema);
  const seenModel = connection.model('ReconciliationSeen', seenSchema);
  return {
    models: [model, seenModel] as const,

    async get(destination: string): Promise<Reconciled> {
      return (await model.findById(destination, { _id: 0 }).lean()) ?? {};
    },

    /** Remembers when the schedule of a destination began. */
    async notice(destination: string, now: number): Promise<void> {
      await model.updateOne({ _id: destination }, { $setOnInsert: { since: now } }, { upsert: true });
    },

    /** Asks for a run; whoever holds the lease begins it. One that is under way goes on. */
    async request(destination: string, wanted: { dryRun: boolean; by: StartedBy; at: number }): Promise<void> {
      const change = { $set: { requested: wanted }, $setOnInsert: { since: wanted.at } };
      await model.updateOne({ _id: destination }, change, { upsert: true, writeConcern: DURABLE });
    },

    /** Begins a run, unless another is under way. */
    async begin(destination: string, run: Reconciliation): Promise<boolean> {
      const { matchedCount } = await model.updateOne(
        { _id: destination, $or: [{ current: { $exists: false } }, { 'current.phase': 'done' }] },
        { $set: { current: run }, $unset: { requested: '' } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Writes the next step of a run. False when somebody else did: two leaders for a moment do no harm. */
    async save(destination: string, next: Reconciliation): Promise<boolean> {
      const { matchedCount } = await model.updateOne(
        { _id: destination, 'current.run': next.run, 'current.step': next.step - 1 },
        { $set: { current: next, ...(next.phase === 'done' && !next.dryRun ? { last: next } : {}) } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Ends the wait of a run after a failure. */
    async hurry(destination: string): Promise<void> {
      await model.updateOne({ _id: destination, current: { $exists: true } }, { $set: { 'current.dueAt': 0 } });
    },

    /** These contacts are listed there. Raw: docs/decisions/raw-commands.md. */
    async remember(run: string, binding: string, contacts: readonly Buffer[]): Promise<void> {
      const at = new Date(machine.now());
      for (let i = 0; i < contacts.length; i += SEEN_BATCH) {
        const rows = contacts.slice(i, i + SEEN_BATCH).map((contact) => ({ run, binding, contact, at }));
        await seenModel.collection
          .insertMany(rows, { ordered: false, writeConcern: DURABLE })
          .catch((error: unknown) => {
            if (!isDuplicate(error)) throw error;
          });
      }
    },

    /** Keys (hex) of those of the contacts that are listed there. */
    async listed(run: string, binding: string, contacts: readonly Buffer[]): Promise<Set<string>> {
      const rows = await seenModel.find({ run, binding, contact: { $in: contacts } }, { contact: 1 }).lean();
      return new Set(rows.map(({ contact }) => contact.toString('hex')));
    },

    async forget(run: string): Promise<void> {
      await seenModel.deleteMany({ run });
    },
  };
}

export type Reconciliations = ReturnType<typeof createReconciliations>;
