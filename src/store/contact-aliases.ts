import type { AliasGroup } from '../core/alias-group.js';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import type { Contact, ContactCollections } from './contact-rows.js';

export type Fields = Record<string, 0 | 1>;

/** Contacts by key (hex): those named by key, and the members of the groups that are named. */
export type FindOwn = (
  keys: readonly Buffer[],
  fields?: Fields,
  mostOverflow?: number,
  groups?: readonly string[],
) => Promise<Map<string, Contact>>;

/** A contact that is asked about, with its group where the address tells it. */
export interface Asked {
  readonly key: Buffer;
  readonly group?: AliasGroup | undefined;
}

/** What is known of it: nobody may have heard of the very spelling, and yet of another one. */
export interface Shared {
  readonly contact?: Contact;
  readonly others: readonly Contact[];
}

/** Queries to contacts that are spellings of one address. Each carries its group; nothing is kept of the group itself. */
export function contactAliases(
  { model, raw }: Pick<ContactCollections, 'model' | 'raw'>,
  findOwn: FindOwn,
  machine: Pick<Machine, 'now'>,
) {
  /** Keys of the contacts in each group. */
  async function membersOf(ids: readonly string[]): Promise<Map<string, Buffer[]>> {
    const members = new Map<string, Buffer[]>();
    if (ids.length === 0) return members;
    const rows = await raw
      .find({ aliasGroup: { $in: [...new Set(ids)] } }, { projection: { _id: 1, aliasGroup: 1 } })
      .toArray();
    for (const { _id, aliasGroup = '' } of rows) members.set(aliasGroup, [...(members.get(aliasGroup) ?? []), _id]);
    return members;
  }

  /** Contacts with the others of their groups, by key (hex): one command where the groups are named. */
  async function findShared(
    asked: readonly Asked[],
    fields?: Fields,
    mostOverflow?: number,
  ): Promise<Map<string, Shared>> {
    const named = [...new Set(asked.flatMap(({ group }) => (group ? [group.id] : [])))];
    const keys = asked.flatMap(({ key, group }) => [key, ...(group?.formerKeys ?? [])]);
    const found = await findOwn(
      keys,
      fields && named.length > 0 ? { ...fields, aliasGroup: 1 } : fields,
      mostOverflow,
      named,
    );
    const members = new Map<string, Buffer[]>(named.map((id) => [id, []]));
    for (const { key, aliasGroup } of found.values()) if (aliasGroup) members.get(aliasGroup)?.push(key);
    const stored = asked.flatMap(({ key, group }) => {
      const id = group ? undefined : found.get(key.toString('hex'))?.aliasGroup;
      return id === undefined || members.has(id) ? [] : [id];
    });
    for (const [id, ofGroup] of await membersOf(stored)) members.set(id, ofGroup);
    const groups = asked.map(({ key, group }) => {
      const id = group?.id ?? found.get(key.toString('hex'))?.aliasGroup;
      const sharing = id === undefined ? [] : [...(members.get(id) ?? []), ...(group?.formerKeys ?? [])];
      const others = new Set(sharing.map((other) => other.toString('hex')));
      others.delete(key.toString('hex'));
      return { key: key.toString('hex'), others: [...others] };
    });
    const read = new Set(keys.map((key) => key.toString('hex')));
    const missing = [...new Set(groups.flatMap(({ others }) => others))].filter(
      (id) => !found.has(id) && !read.has(id),
    );
    const more =
      missing.length === 0
        ? new Map<string, Contact>()
        : await findOwn(
            missing.map((id) => Buffer.from(id, 'hex')),
            fields,
          );
    return new Map(
      groups.map(({ key, others }): [string, Shared] => {
        const contact = found.get(key);
        return [
          key,
          {
            ...(contact ? { contact } : {}),
            others: others.flatMap((id) => found.get(id) ?? more.get(id) ?? []),
          },
        ];
      }),
    );
  }

  return {
    findShared,

    /** Puts contacts into a group, or out of any. */
    async setAliasGroups(changes: readonly { readonly key: Buffer; readonly aliasGroup: string | undefined }[]) {
      if (changes.length === 0) return;
      await raw.bulkWrite(
        changes.map(({ key, aliasGroup }) => ({
          updateOne: {
            filter: { _id: key },
            update: aliasGroup === undefined ? { $unset: { aliasGroup: '' } } : { $set: { aliasGroup } },
          },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    },

    /** Has contacts projected again, although nothing was accepted for them: what another one denied counts for them too. */
    async touch(keys: readonly Buffer[]): Promise<void> {
      if (keys.length === 0) return;
      await model.updateMany(
        { _id: { $in: keys } },
        // A projection on its way, which may not have seen it, does not come in at another revision.
        { $min: { dirty: new Date(machine.now()) }, $set: { touched: true }, $inc: { rev: 1 } },
        { writeConcern: DURABLE },
      );
    },
  };
}
