import { randomBytes } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import session from 'express-session';
import type { Clock } from '../../core/clock.js';
import { deriveKey, type Keyring, rootOf } from '../../core/keys.js';
import { createCipher } from '../../core/seal.js';
import type { StaffUser } from '../../staff/audit-trail.js';
import type { StaffSessions } from '../../store/staff-sessions.js';
import { createCsrfSecret } from './csrf.js';

/** Without a click for half an hour (ms) a session ends: an agent's break is shorter, a forgotten screen is not. */
export const IDLE = 30 * 60_000;
/** And after twelve hours (ms) in any case: no shift is longer. */
export const ABSOLUTE = 12 * 3_600_000;
/** How long (ms) a reason for looking at a person holds. */
const LOOK = 30 * 60_000;
/** The time of the last click is written down once a minute (ms), not with each. */
const SEEN_EVERY = 60_000;

/** A session of somebody signed in. */
export interface StaffSession {
  readonly user: StaffUser;
  /** Secret of the session's forms. */
  readonly csrf: string;
  /** ms */
  readonly signedInAt: number;
  seenAt: number;
  /** Contacts (hex) that may be looked at, each with the reason given and its end (ms). */
  looks: Record<string, { readonly reason: string; readonly note?: string; readonly until: number }>;
  /** Said on the next page. */
  said?: string;
  /** Shown on the next page of the path, once: an address in full, a passphrase. */
  once?: { readonly path: string; readonly value: unknown };
}

declare module 'express-session' {
  interface SessionData {
    staff: StaffSession;
  }
}

export function sessionCookieName(production: boolean): string {
  // The prefix has the browser refuse the cookie from a neighbouring host or over plain HTTP (RFC 6265bis §4.1.3.2).
  return production ? '__Host-hush-staff' : 'hush-staff';
}

/** Cookies are signed by every key of the keyring, newest first, so that a rotation signs nobody out. */
function cookieSecrets(keyring: Keyring): string[] {
  return [keyring.current, ...[...keyring.roots.keys()].filter((kid) => kid !== keyring.current)].flatMap((kid) => {
    const root = rootOf(keyring, kid);
    return root ? [deriveKey(root, 'staff-cookie').toString('base64url')] : [];
  });
}

export function sessionMiddleware(parts: {
  readonly sessions: StaffSessions;
  readonly keyring: Keyring;
  readonly production: boolean;
}): RequestHandler {
  const { production } = parts;
  const cipher = createCipher(parts.keyring, 'staff-session');
  const context = Buffer.from('staff-session');
  const sealing = {
    seal: (text: string) => cipher.seal(Buffer.from(text, 'utf8'), context).toString('base64'),
    open: (sealed: string) => cipher.open(Buffer.from(sealed, 'base64'), context)?.toString('utf8'),
  };
  return session({
    name: sessionCookieName(production),
    secret: cookieSecrets(parts.keyring),
    store: parts.sessions.storeFor(IDLE / 1000, sealing),
    genid: () => randomBytes(24).toString('base64url'),
    resave: false,
    // Nobody gets a session before they have signed in.
    saveUninitialized: false,
    rolling: true,
    cookie: { httpOnly: true, sameSite: 'lax', secure: production, path: production ? '/' : '/staff', maxAge: IDLE },
  });
}

/** The session of whoever asks, while it lasts. Ends it otherwise. */
export function currentSession(request: Request, clock: Clock): StaffSession | undefined {
  const staff = request.session?.staff;
  if (!staff) return undefined;
  const now = clock.now();
  if (now - staff.seenAt > IDLE || now - staff.signedInAt > ABSOLUTE) {
    request.session.destroy(() => undefined);
    return undefined;
  }
  if (now - staff.seenAt > SEEN_EVERY) staff.seenAt = now;
  return staff;
}

/** A new session under a new id: whatever id the browser brought is worth nothing from here on. */
export async function beginSession(request: Request, user: StaffUser, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request.session.regenerate((error: unknown) => (error ? reject(error) : resolve()));
  });
  const now = clock.now();
  request.session.staff = {
    user,
    csrf: createCsrfSecret(),
    signedInAt: now,
    seenAt: now,
    looks: {},
  };
  await keepSession(request);
}

/** Writes the session before a redirect: browsers follow one as soon as its head is there, and would meet the old session. */
export async function keepSession(request: Request): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request.session.save((error: unknown) => (error ? reject(error) : resolve()));
  });
}

/** When (ms) a session ends if nothing is clicked any more: a minute early, because clicks are written down by the minute. */
export function sessionEnd({ seenAt, signedInAt }: StaffSession): number {
  return Math.min(seenAt + IDLE, signedInAt + ABSOLUTE);
}

export async function endSession(request: Request): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request.session.destroy((error: unknown) => (error ? reject(error) : resolve()));
  });
}

/** Remembers why somebody looks at contacts: of one person, all at once. */
export function allowLook(
  staff: StaffSession,
  keys: readonly Buffer[],
  reason: string,
  note: string,
  clock: Clock,
): void {
  const now = clock.now();
  const live = Object.entries(staff.looks).filter(([, look]) => look.until > now);
  const added = keys.map(
    (key) => [key.toString('hex'), { reason, ...(note ? { note } : {}), until: now + LOOK }] as const,
  );
  // A session holds the last fifty, so that it stays small.
  staff.looks = Object.fromEntries([...live, ...added].slice(-50));
}

export function lookOf(staff: StaffSession, key: Buffer, clock: Clock): { reason: string; note?: string } | undefined {
  const look = staff.looks[key.toString('hex')];
  return look && look.until > clock.now() ? look : undefined;
}
