import type { Connection } from 'mongoose';
import type { ContactType } from '../core/contact-point.js';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import type { ContactCollections, StoredEvent } from './contact-rows.js';

/** One event to be appended to one contact. */
export interface Append {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  /** The group of spellings that its address belongs to. */
  readonly aliasGroup?: string;
  /** What the data key of the contact is made of, if this creates it. */
  readonly keySeed?: Buffer;
  readonly event: StoredEvent;
}

/** Result of one append: `busy` means its id is pending already, or the pending array is full. */
export type AppendResult = 'appended' | 'busy' | Error;

/** The appends of accepted events: raw, docs/decisions/raw-commands.md. */
export function contactAppends(
  connection: Connection,
  { raw, rawOverflow, pendingLimit }: ContactCollections,
  machine: Pick<Machine, 'now'>,
) {
  const database = () => {
    if (!connection.db) throw new Error('the store is not connected');
    return connection.db;
  };
  return {
    /**
     * Appends events, each to its contact, in one command of many statements; creates contacts that are new. Durable
     * when it resolves. Throws when nothing is known of the outcome; per-event outcomes otherwise, in order.
     */
    async append(appends: readonly Append[]): Promise<AppendResult[]> {
      const dirty = new Date(machine.now());
      const updates = appends.map(({ key, type, country, aliasGroup, keySeed, event }) => ({
        // Both conditions turn into a duplicate key when they fail, because the upsert then meets the contact's own _id.
        q: { _id: key, [`pending.${pendingLimit - 1}`]: { $exists: false }, 'pending.id': { $ne: event.id } },
        u: {
          $push: { pending: event },
          $min: { dirty },
          ...(aliasGroup ? { $set: { aliasGroup } } : {}),
          $setOnInsert: {
            type,
            ...(country ? { country } : {}),
            ...(keySeed ? { keySeed } : {}),
            rev: 0,
            entries: 0,
            keyedOnly: false,
            firstSeen: dirty,
          },
        },
        upsert: true,
      }));
      // Whoever calls must not wait for a server that hangs: the driver has no time limit for a command.
      const answer = await database().command({
        update: raw.collectionName,
        updates,
        ordered: false,
        writeConcern: DURABLE,
      });
      if (answer.writeConcernError) {
        throw Object.assign(new Error(String(answer.writeConcernError.errmsg)), { name: 'MongoWriteConcernError' });
      }
      const results: AppendResult[] = appends.map(() => 'appended');
      for (const fault of answer.writeErrors ?? []) {
        results[fault.index] =
          fault.code === 11000
            ? 'busy'
            : Object.assign(new Error(String(fault.errmsg)), { code: fault.code, name: 'MongoServerError' });
      }
      return results;
    },

    /** Keeps events of contacts whose pending array is full in documents of their own, then says so on the contacts. */
    async appendOverflow(appends: readonly Append[]): Promise<void> {
      await rawOverflow.bulkWrite(
        appends.map(({ key, event }) => ({
          updateOne: {
            filter: { _id: `${key.toString('hex')}:${event.id}` },
            update: { $setOnInsert: { contact: key, event: event } },
            upsert: true,
          },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
      // Only after the documents are there: a reader that sees the count finds them, and a drain in between leaves it.
      const keys = [...new Map(appends.map(({ key }) => [key.toString('hex'), key])).values()];
      await raw.bulkWrite(
        keys.map((key) => ({
          updateOne: {
            filter: { _id: key },
            update: { $inc: { overflow: 1 }, $min: { dirty: new Date(machine.now()) } },
          },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    },
  };
}
