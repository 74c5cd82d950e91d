import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import type { FeedPosition } from './changes.js';
import { DURABLE } from './connect.js';

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

const subscriptionSchema = new Schema(
  {
    _id: String,
    url: String,
    description: String,
    createdAt: Number,
    secret: Buffer,
    previousSecret: Buffer,
    previousUntil: Number,
    cursor: Number,
    epoch: String,
    upTo: Number,
    state: String,
    disabledReason: String,
    disabledAt: Number,
    failures: Number,
    failingSince: Number,
    lastError: String,
    lastDeliveredAt: Number,
    dueAt: Number,
  },
  { collection: 'webhook_subscriptions', versionKey: false },
);

const columnsOf = ({ number, epoch }: FeedPosition) => ({ cursor: number, epoch });

function subscriptionFrom(row: Record<string, unknown>): WebhookSubscription {
  const { _id, secret, previousSecret, cursor, epoch, ...rest } = row;
  return {
    ...rest,
    id: String(_id),
    position: { number: Number(cursor), epoch: String(epoch ?? '') },
    secret: bytesOf(secret),
    ...(previousSecret ? { previousSecret: bytesOf(previousSecret) } : {}),
  } as WebhookSubscription;
}

/** Who is sent the change feed, and how far each has it. */
export function createWebhookSubscriptions(connection: Connection) {
  const model = connection.model('WebhookSubscription', subscriptionSchema);
  const rows = model.collection;
  const named = (id: string, more: object = {}) => ({ _id: id, ...more }) as never;
  const update = async (filter: never, change: object): Promise<boolean> =>
    (await rows.updateOne(filter, change, { writeConcern: DURABLE })).matchedCount === 1;

  return {
    models: [model] as const,

    async insert({ id, secret, position, ...rest }: WebhookSubscription): Promise<void> {
      const row = { ...rest, ...columnsOf(position), secret: binary(secret) };
      await rows.insertOne(named(id, row), { writeConcern: DURABLE });
    },
    async get(id: string): Promise<WebhookSubscription | undefined> {
      const row = await rows.findOne(named(id), { promoteBuffers: true });
      return row ? subscriptionFrom(row) : undefined;
    },
    async list(): Promise<WebhookSubscription[]> {
      const found = await rows.find({}, { sort: { createdAt: 1 }, promoteBuffers: true }).toArray();
      return found.map(subscriptionFrom);
    },
    async count(): Promise<number> {
      return rows.countDocuments({});
    },
    async remove(id: string): Promise<boolean> {
      return (await rows.deleteOne(named(id), { writeConcern: DURABLE })).deletedCount === 1;
    },

    rotate: (id: string, secret: Buffer, previous: Buffer, until: number): Promise<boolean> =>
      update(named(id), {
        $set: { secret: binary(secret), previousSecret: binary(previous), previousUntil: until },
      }),
    enable: (id: string): Promise<boolean> =>
      update(named(id), {
        $set: { state: 'active', failures: 0, dueAt: 0 },
        $unset: { disabledReason: '', disabledAt: '', failingSince: '', lastError: '' },
      }),
    disable: (id: string, reason: string, at: number): Promise<boolean> =>
      update(named(id), { $set: { state: 'disabled', disabledReason: reason, disabledAt: at } }),
    /** Goes on after another change: everything after it is delivered (again). */
    replay: (id: string, position: FeedPosition): Promise<boolean> =>
      update(named(id), { $set: { ...columnsOf(position), dueAt: 0 }, $unset: { upTo: '' } }),

    /** Fixes what the next delivery holds before it is made. False when it goes on elsewhere meanwhile. */
    attempt: (id: string, from: FeedPosition, upTo: FeedPosition): Promise<boolean> =>
      update(named(id, { cursor: from.number, state: 'active' }), { $set: { upTo: upTo.number } }),
    delivered: (id: string, from: FeedPosition, upTo: FeedPosition, at: number): Promise<boolean> =>
      update(named(id, { cursor: from.number, upTo: upTo.number }), {
        $set: { ...columnsOf(upTo), failures: 0, lastDeliveredAt: at, dueAt: 0 },
        $unset: { upTo: '', failingSince: '', lastError: '' },
      }),
    failed: (id: string, fault: { error: string; at: number; dueAt: number }): Promise<boolean> =>
      update(named(id), [
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
