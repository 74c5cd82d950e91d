import type { Machine } from '../core/machine.js';
import { contactAliases, type Fields, type FindOwn } from './contact-aliases.js';
import { type Contact, type ContactCollections, contactFrom, type StoredEvent } from './contact-rows.js';

async function read(
  { raw }: ContactCollections,
  keys: readonly Buffer[],
  fields?: Fields,
  groups: readonly string[] = [],
): Promise<Map<string, Contact>> {
  if (keys.length === 0 && groups.length === 0) return new Map();
  const byKey = { _id: { $in: [...keys] } };
  const filter = groups.length === 0 ? byKey : { $or: [byKey, { aliasGroup: { $in: [...groups] } }] };
  const rows = await raw.find(filter, fields ? { projection: { ...fields, rev: 1 } } : {}).toArray();
  return new Map(rows.map((row) => [row._id.toString('hex'), contactFrom(row)]));
}

/** Overflowing events by contact (hex), at most `limit` of them all; `isWhole` unless some may be left. */
async function readOverflow(
  { overflow }: ContactCollections,
  keys: readonly Buffer[],
  limit: number | undefined,
): Promise<{ events: Map<string, StoredEvent[]>; isWhole: boolean }> {
  const query = overflow.find({ contact: { $in: keys } }).lean();
  const rows = await (limit === undefined ? query : query.limit(limit));
  const events = new Map<string, StoredEvent[]>(keys.map((key) => [key.toString('hex'), []]));
  for (const { contact, event } of rows) events.get(contact.toString('hex'))?.push(event);
  return { events, isWhole: rows.length !== limit };
}

/** As `find` of `contactReads`, without the other contacts of their groups; and the contacts of the groups that are named. */
async function findOwn(
  collections: ContactCollections,
  keys: readonly Buffer[],
  fields?: Fields,
  mostOverflow?: number,
  groups?: readonly string[],
): Promise<Map<string, Contact>> {
  const found = await read(collections, keys, fields, groups);
  const hot = [...found.values()].filter(
    (contact) => contact.overflow > 0 || contact.pending.length >= collections.pendingLimit,
  );
  if (hot.length === 0) return found;
  const hotKeys = hot.map(({ key }) => key);
  const { events, isWhole } = await readOverflow(collections, hotKeys, mostOverflow);
  // The projector moves overflow into the snapshot and then drops it. Read after the overflow, a contact has whatever
  // the overflow lacks; read before it, an acknowledged opt-out could be in neither.
  const again = await read(collections, hotKeys, fields);
  for (const { key, rev, overflow: count } of hot) {
    const id = key.toString('hex');
    const contact = again.get(id);
    if (!contact) continue;
    const pending = [...contact.pending, ...(events.get(id) ?? [])];
    // The count from before the overflow was read: it says nothing of documents that were written since.
    found.set(id, { ...contact, pending, overflow: count, more: !isWhole || contact.rev !== rev });
  }
  return found;
}

/** Reads of contacts: by key raw, docs/decisions/raw-commands.md. */
export function contactReads(collections: ContactCollections, machine: Pick<Machine, 'now'>) {
  const { model } = collections;
  const findOwnContacts: FindOwn = (keys, fields, mostOverflow, groups) =>
    findOwn(collections, keys, fields, mostOverflow, groups);
  const aliases = contactAliases(collections, findOwnContacts, machine);

  /**
   * Contacts by key; those that do not exist are absent. Pending includes overflow: all of it, or at most
   * `mostOverflow` events a call, and then a contact of which more is left says so in `more`. `others` has the other
   * spellings of a mailbox, where `aliasGroup` is among the fields.
   */
  async function find(keys: readonly Buffer[], fields?: Fields, mostOverflow?: number): Promise<Map<string, Contact>> {
    const found = await aliases.findShared(
      keys.map((key) => ({ key })),
      fields,
      mostOverflow,
    );
    return new Map(
      [...found].flatMap(([id, { contact, others }]): [string, Contact][] =>
        contact ? [[id, others.length > 0 ? { ...contact, others } : contact]] : [],
      ),
    );
  }

  return {
    ...aliases,
    findOwn: findOwnContacts,
    find,

    async get(key: Buffer): Promise<Contact | undefined> {
      return (await find([key])).get(key.toString('hex'));
    },

    async count(): Promise<number> {
      return model.estimatedDocumentCount();
    },

    /** Contacts in key order after a key, for exports, reconciliation and long jobs. */
    async page(after: Buffer | undefined, limit: number, filter: Record<string, unknown> = {}): Promise<Contact[]> {
      const rows = await model
        .find({ ...filter, ...(after ? { _id: { $gt: after } } : {}) }, { _id: 1 })
        .sort({ _id: 1 })
        .limit(limit)
        .lean();
      const found = await find(rows.map(({ _id }) => _id));
      return rows.flatMap(({ _id }) => found.get(_id.toString('hex')) ?? []);
    },

    async byPrefix(prefix: Buffer): Promise<Contact[]> {
      const from = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 0)]);
      const to = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 255)]);
      const rows = await model
        .find({ _id: { $gte: from, $lte: to } }, { _id: 1 })
        .limit(50)
        .lean();
      return [...(await find(rows.map(({ _id }) => _id))).values()];
    },
  };
}
