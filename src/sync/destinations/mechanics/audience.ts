import { z } from 'zod';
import type { Action, Entry } from '../../destination.js';
import { ProviderError } from '../../destination.js';
import { misconfigured } from './api.js';
import { hexHash, plainEmail } from './hashing.js';

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

/**
 * A call to an ad platform that is refused as a whole: people are hashes there, which cannot be wrong one by one, so what is
 * refused is the account, its permission or the audience. It concerns everybody, and nobody is parked for it.
 */
export async function refusedAsAWhole<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ProviderError && error.fault === 'refused') throw misconfigured(error.message);
    throw error;
  }
}

/**
 * SHA-256 hashes by kind of identifier, those kinds alone that there are: a platform wants each kind by itself. How a phone
 * number is written before it is hashed differs.
 */
export function hashesByKind(
  entries: readonly Entry[],
  phone: (address: string) => string,
): { readonly schema: 'EMAIL_SHA256' | 'PHONE_SHA256'; readonly hashes: string[] }[] {
  const of = (type: Entry['type'], normalise: (address: string) => string) =>
    entries.filter((entry) => entry.type === type).map((entry) => hexHash('sha256', normalise(entry.address)));
  return [
    { schema: 'EMAIL_SHA256' as const, hashes: of('email', plainEmail) },
    { schema: 'PHONE_SHA256' as const, hashes: of('phone', phone) },
  ].filter(({ hashes }) => hashes.length > 0);
}
