import type { Logger } from 'pino';
import type { Catalog } from '../core/catalog.js';
import { addressOf } from '../preferences/contact-address.js';
import type { Post } from '../preferences/outgoing-mail.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact } from '../store/contacts.js';

/** `no_address`: the person is told by phone or letter, by whoever asked. */
export type Notified = 'mailed' | 'failed' | 'no_address';

/**
 * Writes to the address that a lift is about, whatever was decided: whoever did not ask for it learns of it and can stop it.
 * In the person's own language, where they chose one. Never throws: what was decided counts all the same.
 */
export function createLiftNotice(parts: {
  readonly post: Post;
  readonly privateParts: PrivateParts;
  readonly catalog: Catalog;
  readonly publicUrl: () => string;
  readonly log: Logger;
}) {
  const { catalog, log } = parts;
  return async (notice: {
    readonly approval: string;
    readonly contact: Contact;
    readonly brand: string;
    readonly outcome: 'confirmed' | 'refused';
    /** Of what was recorded, as they are read out. */
    readonly receipts: readonly string[];
  }): Promise<Notified> => {
    const address = addressOf(parts.privateParts, notice.contact);
    if (address?.type !== 'email') return 'no_address';
    try {
      const outcome = await parts.post({
        id: `lift:${notice.approval}`,
        template: notice.outcome === 'confirmed' ? 'lift-confirmed' : 'lift-refused',
        language: catalog.languages[0] ?? 'en',
        brand: notice.brand === '*' ? (catalog.brands[0]?.id ?? '') : notice.brand,
        to: address.given,
        values: (language) => ({
          receipts: notice.receipts,
          link: `${parts.publicUrl()}/preferences?lang=${language}`,
        }),
      });
      return outcome === 'over_quota' ? 'failed' : 'mailed';
    } catch (error) {
      log.warn({ err: error }, 'a lift was decided, but the person could not be written to');
      return 'failed';
    }
  };
}

export type LiftNotice = ReturnType<typeof createLiftNotice>;
