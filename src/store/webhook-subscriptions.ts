import type { Connection, QueryFilter, UpdateQuery, UpdateWithAggregationPipeline } from 'mongoose';
import type { FeedPosition } from './changes.js';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** Somebody who is sent the change feed. Times are ms. */
export interface WebhookSubscription {
  readonly id: string;
  readonly url: string;
  readonly description?: string;
  readonly createdAt: number;
  /** Sealed. */
  readonly secret: Buffer;
  /** Sealed; signs too until `previousUntil`, so that a receiver can change over. */
  readonly previousSecret?: Buffer;
  readonly previousUntil?: number;
  /** The last change that was delivered. */
  readonly position: FeedPosition;
  /** Number of the last change of a delivery whose outcome is not known: it is repeated as it was, under the same id. */
  readonly upTo?: number;
  readonly state: 'active' | 'disabled';
  readonly disabledReason?: string;
  readonly disabledAt?: number;
  /** Deliveries in a row that failed, and since when. */
  readonly failures: number;
  readonly failingSince?: number;
  readonly lastError?: string;
  readonly lastDeliveredAt?: number;
  /** The next delivery is not made before. */
  readonly dueAt: number;
}

interface SubscriptionRow extends Omit<Stored<WebhookSubscription>, 'position'> {
  /** The position: its number, and its epoch, which is absent in rows from before there were epochs. */
  readonly cursor: number;
  readonly epoch?: string;
}

const subscriptionSchema = collectionSchema<SubscriptionRow>('webhook_subscriptions', {
  _id: { type: String, required: true },
  url: { type: String, required: true },
  description: String,
  createdAt: { type: Number, required: true },
  secret: { type: Buffer, required: true },
  previousSecret: Buffer,
  previousUntil: Number,
  cursor: { type: Number, required: true },
  epoch: String,
  upTo: Number,
  state: { type: String, required: true, enum: ['active', 'disabled'] },
  disabledReason: String,
  disabledAt: Number,
  failures: { type: Number, required: true },
  failingSince: Number,
  lastError: String,
  lastDeliveredAt: Number,
  dueAt: { type: Number, required: true },
});

const { toRow, fromRow } = rowsOf<WebhookSubscription>();
const columnsOf = ({ number, epoch }: FeedPosition) => ({ cursor: number, epoch });

function subscriptionFrom({ cursor, epoch = '', ...row }: SubscriptionRow): WebhookSubscription {
  return fromRow({ ...row, position: { number: cursor, epoch } });
}

/** Who is sent the change feed, and how far each has it. */
export function createWebhookSubscriptions(connection: Connection) {
  const model = connection.model('WebhookSubscription', subscriptionSchema);
  const update = async (
    filter: QueryFilter<SubscriptionRow>,
    change: UpdateQuery<SubscriptionRow> | UpdateWithAggregationPipeline,
  ): Promise<boolean> => {
    const options = { writeConcern: DURABLE, updatePipeline: true };
    return (await model.updateOne(filter, change, options)).matchedCount === 1;
  };

  return {
    models: [model] as const,

    async insert(subscription: WebhookSubscription): Promise<void> {
      const { position, ...row } = toRow(subscription);
      await model.insertOne({ ...row, ...columnsOf(position) }, { writeConcern: DURABLE });
    },
    async get(id: string): Promise<WebhookSubscription | undefined> {
      const row = await model.findById(id).lean();
      return row ? subscriptionFrom(row) : undefined;
    },
    async list(): Promise<WebhookSubscription[]> {
      return (await model.find().sort({ createdAt: 1 }).lean()).map(subscriptionFrom);
    },
    async count(): Promise<number> {
      return model.countDocuments();
    },
    async remove(id: string): Promise<boolean> {
      return (await model.deleteOne({ _id: id }, { writeConcern: DURABLE })).deletedCount === 1;
    },

    rotate: (id: string, secret: Buffer, previous: Buffer, until: number): Promise<boolean> =>
      update(
        { _id: id },
        {
          $set: { secret, previousSecret: previous, previousUntil: until },
        },
      ),
    enable: (id: string): Promise<boolean> =>
      update(
        { _id: id },
        {
          $set: { state: 'active', failures: 0, dueAt: 0 },
          $unset: { disabledReason: '', disabledAt: '', failingSince: '', lastError: '' },
        },
      ),
    disable: (id: string, reason: string, at: number): Promise<boolean> =>
      update({ _id: id }, { $set: { state: 'disabled', disabledReason: reason, disabledAt: at } }),
    /** Goes on after another change: everything after it is delivered (again). */
    replay: (id: string, position: FeedPosition): Promise<boolean> =>
      update({ _id: id }, { $set: { ...columnsOf(position), dueAt: 0 }, $unset: { upTo: '' } }),

    /** Fixes what the next delivery holds before it is made. False when it goes on elsewhere meanwhile. */
    attempt: (id: string, from: FeedPosition, upTo: FeedPosition): Promise<boolean> =>
      update({ _id: id, cursor: from.number, state: 'active' }, { $set: { upTo: upTo.number } }),
    delivered: (id: string, from: FeedPosition, upTo: FeedPosition, at: number): Promise<boolean> =>
      update(
        { _id: id, cursor: from.number, upTo: upTo.number },
        {
          $set: { ...columnsOf(upTo), failures: 0, lastDeliveredAt: at, dueAt: 0 },
          $unset: { upTo: '', failingSince: '', lastError: '' },
        },
      ),
    failed: (id: string, fault: { error: string; at: number; dueAt: number }): Promise<boolean> =>
      update({ _id: id }, [
        {
          $set: {
            failures: { $add: ['$failures', 1] },
            failingSince: { $ifNull: ['$failingSince', fault.at] },
            lastError: { $literal: fault.error },
            dueAt: fault.dueAt,
          },
        },
      ]),
  };
}

export type WebhookSubscriptions = ReturnType<typeof createWebhookSubscriptions>;
