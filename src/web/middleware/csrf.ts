import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The secret of a session's forms: 256 bits, base64url. */
export function createCsrfSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * Whether a form's `_csrf` is the session's. Compared in constant time, whatever was sent. The ticket behind the dot is not
 * of the session (src/staff/drafts.ts).
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
 */
export function isCsrfToken(secret: string, input: unknown): boolean {
  if (typeof input !== 'string') return false;
  const [token = ''] = input.split('.');
  const digest = (text: string) => createHmac('sha256', secret).update(text).digest();
  return timingSafeEqual(digest(token), digest(secret));
}

/** The part of a form's `_csrf` that says whose page it was on; empty where it has none. */
export function ticketOf(input: unknown): string {
  return typeof input === 'string' ? (input.split('.')[1] ?? '') : '';
}
