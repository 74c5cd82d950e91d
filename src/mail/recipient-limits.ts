import { createHmac } from 'node:crypto';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { sealedContact } from '../core/sealed-contact.js';
import { unavailable, withTimeout } from '../store/connect.js';
import type { OutboxStore } from '../store/outbox.js';
import { checkedAddress } from './headers.js';

/** What one asker may cause at one recipient. */
export interface MailQuota {
  /** Who asks: a network, a key, a member of staff; undefined where it is not known any more. */
  readonly asker: string | undefined;
  /** Mails a day. Askers together may cause three times as many, so that one alone never uses up another's last one. */
  readonly perDay: number;
  /** ms; one mail in each such span of time. */
  readonly everyMs?: number;
  /** What the mail asks, where mails of one kind ask several things: each has its own limit, under a wider one for all. */
  readonly about?: string;
}
const ASKERS = 3;
/** Of mails of a kind with a subject of their own: so many times as many a day. */
const SUBJECTS = 5;

/**
 * Limits mail by its recipient, whatever field of whatever form named it, and whoever the mail says it is for. Only keyed
 * hashes are kept, for two days.
 */
export function createRecipientLimits(parts: {
  readonly store: Pick<OutboxStore, 'takeSlot'>;
  readonly keyring: Keyring;
  readonly country: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Pick<Machine, 'after'>;
}) {
  const { store, keyring, country, clock, machine } = parts;

  /**
   * True when the mail may go. The same mail asked for again keeps its place. Throws HushError: `invalid` for what is not
   * exactly one address, `unavailable`.
   *
   * @param kind mails of one kind share a limit
   * @param mail id of the mail
   */
  return async function admit(kind: string, email: string, quota: MailQuota, mail: string): Promise<boolean> {
    const { normalised } = sealedContact('email', checkedAddress(email.trim()), country);
    const now = clock.now();
    const take = (scope: string, spanMs: number, most: number, about?: string) => {
      const key = createHmac('sha256', keyring.lookup)
        .update(`mail-by-form:${JSON.stringify([kind, normalised, scope, ...(about === undefined ? [] : [about])])}`)
        .digest('base64url')
        .slice(0, 22);
      return withTimeout(machine, store.takeSlot(key, String(Math.floor(now / spanMs)), most, mail, new Date(now)));
    };
    const { asker, perDay, everyMs, about } = quota;
    const wide = about === undefined ? perDay : perDay * SUBJECTS;
    try {
      if (asker !== undefined && everyMs !== undefined && !(await take(`every:${asker}`, everyMs, 1))) return false;
      if (about !== undefined) {
        if (asker !== undefined && !(await take(`asker:${asker}`, DAY_MS, perDay, about))) return false;
        if (!(await take('all', DAY_MS, perDay * ASKERS, about))) return false;
      }
      if (asker !== undefined && !(await take(`asker:${asker}`, DAY_MS, wide))) return false;
      return await take('all', DAY_MS, wide * ASKERS);
    } catch (error) {
      throw unavailable(error);
    }
  };
}

export type AdmitMail = ReturnType<typeof createRecipientLimits>;

/** Hands a mail over after it was admitted: the one way out for every mail that a form can cause. */
export function createFormMail<Mail extends { id: string; template: string; to: string; quota?: MailQuota }>(
  admit: AdmitMail,
  enqueue: (mail: Omit<Mail, 'quota'>) => Promise<'queued' | 'over_quota' | 'known'>,
): (mail: Mail) => Promise<'queued' | 'over_quota' | 'known'> {
  return async ({ quota, ...mail }) => {
    if (quota && !(await admit(mail.template, mail.to, quota, mail.id))) return 'over_quota';
    return enqueue(mail);
  };
}
