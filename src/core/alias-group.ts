import { createHmac } from 'node:crypto';
import type { ContactPoint } from './contact-point.js';
import { contactKeyBytes, contactKeyText, type Keyring } from './keys.js';
import { formerNumbers } from './phone-spellings.js';
import type { MailboxRule } from './policy.js';

/** Contacts that are spellings of one address. */
export interface AliasGroup {
  readonly id: string;
  /** Keys under which the same contact was stored before its spellings were one. */
  readonly formerKeys: readonly Buffer[];
}

export type AliasGroupOf = (point: Pick<ContactPoint, 'type' | 'normalised'>) => AliasGroup | undefined;

/**
 * The one spelling of a mailbox, for comparing only: nothing is sent to it. Undefined where no rule names the domain. All
 * rules that do apply.
 *
 * @example mailboxOf('jane.doe@googlemail.com', [{ domains: ['gmail.com', 'googlemail.com'], dots: 'ignored' }])
 * // 'janedoe@gmail.com'
 */
export function mailboxOf(normalised: string, rules: readonly MailboxRule[]): string | undefined {
  const at = normalised.lastIndexOf('@');
  const domain = normalised.slice(at + 1);
  const applied = rules.filter(({ domains }) => domains.includes(domain) || domains.includes('*'));
  if (applied.length === 0) return undefined;
  let local = normalised.slice(0, at).replace(/^"([^"\\]*)"$/, '$1');
  for (const { tags } of applied) {
    const tag = tags === undefined ? -1 : local.indexOf(tags, 1);
    if (tag > 0) local = local.slice(0, tag);
  }
  if (applied.some(({ dots }) => dots === 'ignored')) local = local.replaceAll('.', '');
  const named = applied.find(({ domains }) => domains.includes(domain));
  return `${local}@${named?.domains[0] ?? domain}`;
}

/** Says which group a contact belongs to; most belong to none. */
export function createAliasGroups(keyring: Keyring, rules: readonly MailboxRule[]): AliasGroupOf {
  const idOf = (text: string) =>
    contactKeyText(createHmac('sha256', keyring.lookup).update(`aliases:${text}`).digest().subarray(0, 16));
  return ({ type, normalised }) => {
    if (type === 'email') {
      const mailbox = mailboxOf(normalised, rules);
      return mailbox === undefined ? undefined : { id: idOf(`mailbox:${mailbox}`), formerKeys: [] };
    }
    if (type !== 'phone') return undefined;
    const former = formerNumbers(normalised);
    if (former.length === 0) return undefined;
    const formerKeys = former.map((number) => contactKeyBytes(keyring, { type, normalised: number }));
    return { id: idOf(`phone:${normalised}`), formerKeys };
  };
}
