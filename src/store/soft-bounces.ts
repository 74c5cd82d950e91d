import type { Contacts } from './contacts.js';
import type { Ledger } from './ledger.js';

/** Rows read of one contact; the rule needs a handful of days. */
const MAX_BOUNCES = 1000;

/** When a contact's mail bounced softly. Reads what the ledger and the pending events know; nothing is kept twice. */
export function createSoftBounceHistory(stores: { readonly ledger: Ledger; readonly contacts: Contacts }) {
  const { ledger, contacts } = stores;
  return {
    /** Times (ms) of soft bounces after `since` (ms), in no order. One query by the contact's key. */
    async after(key: Buffer, since: number): Promise<number[]> {
      const [rows, contact] = await Promise.all([
        ledger.model
          .find(
            { contact: key, 'event.type': 'bounced', 'event.kind': 'soft', 'event.at': { $gt: since } },
            { 'event.at': 1 },
          )
          .sort({ number: -1 })
          .limit(MAX_BOUNCES)
          .lean<readonly { readonly event: { readonly at: number } }[]>(),
        contacts.get(key),
      ]);
      const pending = (contact?.pending ?? []).filter(
        ({ type, kind, at }) => type === 'bounced' && kind === 'soft' && at > since,
      );
      return [...rows.map(({ event }) => event.at), ...pending.map(({ at }) => at)];
    },
  };
}

export type SoftBounceHistory = ReturnType<typeof createSoftBounceHistory>;
