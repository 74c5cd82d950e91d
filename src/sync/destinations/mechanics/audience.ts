import { z } from 'zod';
import type { Action, Entry } from '../../destination.js';

/**
 * What an audience is for. Seeds of lookalikes and retargeting audiences hold people who may be used so; an exclusion
 * audience holds those who must not be shown something.
 */
export const audienceUse = z.enum(['seed', 'retargeting', 'exclusion']);
export type AudienceUse = z.infer<typeof audienceUse>;

/**
 * What a denial or its lift does to an audience. Nobody is put into a seed or retargeting audience by a lift: who belongs
 * there is for marketing to say, not for us.
 */
export function moveOf(use: AudienceUse, action: Action): 'add' | 'remove' | undefined {
  if (use === 'exclusion') return action === 'suppress' ? 'add' : 'remove';
  return action === 'suppress' ? 'remove' : undefined;
}

/** Entries by kind of identifier, since a platform wants each kind by itself. */
export function byType(entries: readonly Entry[]): { readonly emails: Entry[]; readonly phones: Entry[] } {
  return {
    emails: entries.filter((entry) => entry.type === 'email'),
    phones: entries.filter((entry) => entry.type === 'phone'),
  };
}
