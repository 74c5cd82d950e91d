import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { stateOf } from '../core/contact-state.js';
import { decide, type Query } from '../core/decide.js';
import { presentAt } from '../core/fold.js';
import { contactKeyText } from '../core/keys.js';
import type { Policy } from '../core/policy.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contacts } from '../store/contacts.js';

/** Reasons that are a denial somebody made or that reality made, as opposed to a missing consent. */
const STANDING: ReadonlySet<string> = new Set([
  'opted_out',
  'objected',
  'complained',
  'gpc',
  'paused',
  'erased',
  'restricted',
  'undeliverable',
]);
const PAGE = 1000;

export interface SuppressionRow {
  readonly contact: string;
  readonly type: string;
  readonly address?: string;
  readonly hash?: string;
  readonly reason: string;
  readonly since?: number;
}

/** Walks over all contacts in key order and yields those that the decision denies, quiet hours aside. */
export function createSuppressionExport(parts: {
  readonly contacts: Contacts;
  readonly privateParts: PrivateParts;
  readonly policy: Policy;
  readonly clock: Clock;
}) {
  const { contacts, privateParts, policy, clock } = parts;

  return {
    /** Pages of rows, with the key to go on after, and how many contacts were denied but have no readable address. */
    async *pages(options: {
      readonly question: Omit<Query, 'at'>;
      readonly include: 'all' | 'standing';
      readonly hash: 'none' | 'sha256' | 'md5';
      readonly after?: Buffer | undefined;
    }): AsyncGenerator<{ rows: SuppressionRow[]; last: string; keyedOnly: number }> {
      let after = options.after;
      for (;;) {
        const page = await contacts.page(after, PAGE);
        const end = page.at(-1);
        if (!end) return;
        after = end.key;
        const rows: SuppressionRow[] = [];
        let keyedOnly = 0;
        for (const contact of page) {
          const state = stateOf(contact);
          const decision = decide(
            state,
            { ...options.question, at: presentAt(state, clock.now()) },
            { policy, ignoreQuietHours: true, ...(contact.country ? { country: contact.country } : {}) },
          );
          if (decision.allowed || (options.include === 'standing' && !STANDING.has(decision.reason))) continue;
          const address = addressOf(privateParts, contact)?.given;
          if (address === undefined) {
            keyedOnly++;
            continue;
          }
          rows.push({
            contact: contactKeyText(contact.key),
            type: contact.type,
            ...(options.hash === 'none'
              ? { address }
              : { hash: createHash(options.hash).update(address.trim().toLowerCase()).digest('hex') }),
            reason: decision.reason,
            ...(decision.since === undefined ? {} : { since: decision.since }),
          });
        }
        yield { rows, last: contactKeyText(end.key), keyedOnly };
      }
    },
  };
}

export type SuppressionExport = ReturnType<typeof createSuppressionExport>;
