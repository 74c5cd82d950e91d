import type { Connection } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE, isDuplicate } from './connect.js';
import { type Append, contactAppends } from './contact-append.js';
import { contactErasure } from './contact-erasure.js';
import { contactEvaluation } from './contact-evaluation.js';
import { contactFeed } from './contact-feed.js';
import { contactPendingSyncs } from './contact-pending-syncs.js';
import { contactProjection } from './contact-projection.js';
import { contactReads } from './contact-reads.js';
import {
  type ContactCollections,
  type ContactRow,
  contactFrom,
  contactSchema,
  type OverflowRow,
  overflowSchema,
} from './contact-rows.js';
import { contactWatch } from './contact-watch.js';

export type { Append, AppendResult } from './contact-append.js';
export type { Settlement } from './contact-pending-syncs.js';
export type { Projection } from './contact-projection.js';
export type { Contact, StoredEvent } from './contact-rows.js';

const PENDING_LIMIT = 200;

/** Every query to the contacts and their overflow. */
export function createContacts(connection: Connection, machine: Pick<Machine, 'now'>, pendingLimit = PENDING_LIMIT) {
  const model = connection.model<ContactRow>('Contact', contactSchema);
  const overflow = connection.model<OverflowRow>('Overflow', overflowSchema);
  const collections: ContactCollections = {
    model,
    overflow,
    raw: connection.collection('contacts'),
    rawOverflow: connection.collection('overflow'),
    pendingLimit,
  };
  const reads = contactReads(collections, machine);
  /** A contact of which nothing but its key is known. */
  const created = ({ type, country, keySeed }: Omit<Append, 'event'>) => ({
    type,
    rev: 0,
    entries: 0,
    keyedOnly: true,
    pending: [],
    firstSeen: new Date(machine.now()),
    ...(country ? { country } : {}),
    ...(keySeed ? { keySeed } : {}),
  });
  return {
    models: [model, overflow] as const,
    collection: collections.raw,
    contactFrom,
    ...reads,
    ...contactAppends(connection, collections, machine),
    ...contactProjection(collections, machine),
    ...contactEvaluation(collections),
    ...contactFeed(collections),
    ...contactPendingSyncs(collections, reads.find),
    ...contactErasure(collections),
    ...contactWatch(connection, collections),

    /**
     * Puts contacts into their groups of spellings, and creates unknown ones, before anything is said for them: what denies for one spelling has to find the others.
     */
    async introduce(list: readonly Omit<Append, 'event'>[]): Promise<void> {
      const grouped = list.flatMap((contact) => {
        const { key, aliasGroup } = contact;
        if (aliasGroup === undefined) return [];
        const update = { $set: { aliasGroup }, $setOnInsert: created(contact) };
        return [{ updateOne: { filter: { _id: key }, update, upsert: true } }];
      });
      if (grouped.length > 0) await model.bulkWrite(grouped, { ordered: false, writeConcern: DURABLE });
    },

    /**
     * Stores the person a contact belongs to, in the place of none or of one of `merged`; creates the contact when nobody has
     * heard of it. False when it belongs to somebody else.
     */
    async setPerson(append: Omit<Append, 'event'>, person: string, merged: readonly string[] = []): Promise<boolean> {
      const { key, aliasGroup } = append;
      try {
        await model.updateOne(
          { _id: key, person: { $in: [null, person, ...merged] } },
          {
            $set: { person },
            $setOnInsert: { ...created(append), ...(aliasGroup ? { aliasGroup } : {}) },
          },
          { upsert: true, writeConcern: DURABLE },
        );
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },
  };
}

export type Contacts = ReturnType<typeof createContacts>;
