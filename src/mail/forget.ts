import { normaliseContact } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import type { MailboxStore } from '../store/mailbox.js';
import type { OutboxStore } from '../store/outbox.js';

/** Key of the contact that a mail goes to; undefined for an address that today's rules refuse. */
export function recipientKey(keyring: Keyring, to: string): Buffer | undefined {
  try {
    return contactKeyBytes(keyring, normaliseContact({ email: to }));
  } catch (error) {
    if (error instanceof HushError) return undefined;
    throw error;
  }
}

/** Forgets the mails to erased contacts: those that were given up, and those that the mailbox page shows. */
export function createForgetMail(parts: {
  readonly outbox: OutboxStore;
  readonly mailbox: MailboxStore;
  readonly keyring: Keyring;
}): (contacts: readonly Buffer[]) => Promise<void> {
  const { outbox, mailbox, keyring } = parts;
  return async (contacts) => {
    if (contacts.length === 0) return;
    await outbox.forget(contacts);
    const erased = new Set(contacts.map((contact) => contact.toString('hex')));
    await mailbox.forget((to) => erased.has(recipientKey(keyring, to)?.toString('hex') ?? ''));
  };
}
