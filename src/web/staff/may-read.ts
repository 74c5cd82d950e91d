import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText } from '../../core/keys.js';
import type { FindCaller } from '../../staff/find-caller.js';
import { needsReason, type Permission } from '../../staff/permissions.js';
import type { Contact } from '../../store/contacts.js';
import { allowLook, lookOf } from '../middleware/session.js';
import type { Visit } from './shell.js';

export const NEEDS_REASON = 'Choose a reason and write in a few words what it is about.';

/** Why somebody looks, where there is no call. */
export const REASONS = ['request', 'complaint', 'correction', 'audit'] as const;

/** Why this person may be looked at now; undefined when the visitor has first to say. */
export function reasonFor(visit: Visit, key: Buffer, clock: Clock): { reason: string; note?: string } | undefined {
  return lookOf(visit.session, key, clock) ?? (needsReason(visit.user.roles) ? undefined : { reason: 'office' });
}

/**
 * May this visitor read what is personal about somebody: who has to decide on it, who took it down, or has said why. The one
 * check of every page about a person.
 */
export function mayReadAbout(
  visit: Visit,
  about: { readonly decides: Permission; readonly own?: boolean; readonly contacts: readonly Buffer[] },
  clock: Clock,
): boolean {
  return (
    visit.may(about.decides) ||
    about.own === true ||
    about.contacts.some((key) => reasonFor(visit, key, clock) !== undefined)
  );
}

/** The reason that a form gives for a look at these contacts, kept for the session. False when it gives none. */
export function tookReason(visit: Visit, keys: readonly Buffer[], clock: Clock): boolean {
  const reason = REASONS.find((item) => item === visit.field('reason'));
  const note = visit.field('note').slice(0, 200);
  if (!reason || note === '') return false;
  allowLook(visit.session, keys, reason, note, clock);
  return true;
}

/** The contact of the path, when the visitor has said why; else the page that asks, the same for every key. */
export async function contactFor(
  visit: Visit,
  parts: { readonly find: FindCaller; readonly clock: Clock },
): Promise<{ contact: Contact; why: { reason: string; note?: string } } | undefined> {
  const key = contactKeyFromText(visit.param('key'));
  if (!key) throw new HushError('not_found', 'there is no such contact');
  const why = reasonFor(visit, key, parts.clock);
  if (!why) {
    await visit.record({ kind: 'refusal', what: 'person_refused', contact: key });
    await askReason(visit, visit.param('key'));
    return undefined;
  }
  const contact = (await parts.find.byKey(key))?.contact;
  if (!contact) {
    await visit.record({ kind: 'look', what: 'caller_not_found', contact: key, ...why });
    throw new HushError('not_found', 'there is no such contact');
  }
  return { contact, why };
}

/** Shows nothing of the contact, not even whether there is one. The form leads to the page that was asked for. */
function askReason(visit: Visit, key: string): Promise<void> {
  const { path, originalUrl } = visit.request;
  const to = originalUrl.startsWith(`${path}?draft=`) ? originalUrl : path;
  return visit.page('reason', { title: 'Why do you need to see this person?', key, to, reasons: REASONS });
}
