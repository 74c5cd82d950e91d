import { EMPTY_STATE } from '../../src/core/fold.js';
import { machine } from '../../src/machine.js';
import { type Contacts, createContacts, type Projection } from '../../src/store/contacts.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

/** The key of the n-th contact of a test. */
export const keyOf = (n: number): Buffer => Buffer.alloc(16, n);

/** An opt-out of the n-th contact. */
export function optOut(n: number, id = `e_${n}`) {
  const source = { kind: 'api' as const };
  const event = { id, type: 'opted_out' as const, at: 1000, recorded: 1, source, sealed: Buffer.from('x') };
  return { key: keyOf(n), type: 'email' as const, country: 'de', event };
}

/** A projection that moves the events of the n-th contact, at its first revision. */
export function projection(n: number, more: Partial<Projection> = {}): Projection {
  return {
    key: keyOf(n),
    rev: 0,
    state: EMPTY_STATE,
    entries: 1,
    movedIds: [`e_${n}`],
    scopes: [],
    overflow: 0,
    pendingSyncs: [],
    keyedOnly: false,
    erasing: false,
    changed: true,
    configuration: 'one',
    ...more,
  };
}

/** A pending sync as the projector makes it. */
export const pendingSync = (destination = 'crm', version = 1) => ({ destination, version, due: 1000, since: 1000 });

/** The contacts of an empty database. */
export async function openContacts(): Promise<{ setting: StoreSetting; contacts: Contacts }> {
  const setting = await openStoreSetting();
  const contacts = createContacts(setting.connection, machine);
  await Promise.all(contacts.models.map((model) => model.createIndexes()));
  return { setting, contacts };
}
