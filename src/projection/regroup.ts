import type { AliasGroup, AliasGroupOf } from '../core/alias-group.js';
import { normaliseContact } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { MissingKeyError } from '../core/seal.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, Contacts } from '../store/contacts.js';

export interface RegroupContext {
  readonly contacts: Pick<Contacts, 'setAliasGroups' | 'findShared'>;
  readonly privateParts: PrivateParts;
  readonly aliasGroupOf: AliasGroupOf;
  readonly configuration: string;
  readonly onMissingKey?: (keyId: number) => void;
}

/** Fields that the state of another spelling needs. */
const STATE_FIELDS = { aliasGroup: 1, state: 1, pending: 1, overflow: 1, country: 1, type: 1 } as const;

/**
 * The group a contact belongs to under this configuration. What was appended with its address has it already; a contact
 * from before the policy said so is put into it when it is evaluated again.
 */
function groupOf({ privateParts, aliasGroupOf }: RegroupContext, contact: Contact): AliasGroup | undefined {
  const { type, given } = addressOf(privateParts, contact) ?? { type: contact.type, given: '' };
  if (type !== 'email' && type !== 'phone') return undefined;
  try {
    return aliasGroupOf(normaliseContact(type === 'email' ? { email: given } : { phone: given }));
  } catch (error) {
    // Sealed under the rules of another day.
    if (error instanceof HushError) return undefined;
    throw error;
  }
}

/**
 * Contacts put into the groups of this configuration, with the other contacts there. The group is written first, so that two
 * that move at once see each other. A contact that this process cannot open is left out: a process with the key takes it.
 *
 * @returns `moved`: keys (hex) of those whose group changed
 */
export async function regrouped(
  context: RegroupContext,
  found: readonly Contact[],
): Promise<{ contacts: Contact[]; moved: ReadonlySet<string> }> {
  const closed = new Set<Contact>();
  const moves = found.flatMap((contact) => {
    if (contact.configuration === context.configuration || contact.address === undefined) return [];
    try {
      const group = groupOf(context, contact);
      return group?.id === contact.aliasGroup ? [] : [{ key: contact.key, aliasGroup: group?.id, group }];
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error;
      context.onMissingKey?.(error.keyId);
      closed.add(contact);
      return [];
    }
  });
  const open = found.filter((contact) => !closed.has(contact));
  if (moves.length === 0) return { contacts: open, moved: new Set() };
  await context.contacts.setAliasGroups(moves);
  const shared = await context.contacts.findShared(moves, STATE_FIELDS);
  return {
    moved: new Set(moves.map(({ key }) => key.toString('hex'))),
    contacts: open.map((contact) => {
      const others = shared.get(contact.key.toString('hex'))?.others;
      return others ? { ...contact, others } : contact;
    }),
  };
}
