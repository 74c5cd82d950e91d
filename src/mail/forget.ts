import { contactKeyBytes, type Keyring } from '../core/keys.js';
import { sealedContact } from '../core/sealed-contact.js';
import type { MailboxStore } from '../store/mailbox.js';
import type { OutboxStore } from '../store/outbox.js';

/** Key of the contact that a mail goes to, also where today's rules refuse its address: an erasure must find the mail. */
export function recipientKey(keyring: Keyring, to: string): Buffer {
  return contactKeyBytes(keyring, sealedContact('email', to, 'US'));
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
    await mailbox.forget((to) => erased.has(recipientKey(keyring, to).toString('hex')));
  };
}
