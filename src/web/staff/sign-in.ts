import { type CookieOptions, type Request, type Response, Router } from 'express';
import type { Logger } from 'pino';
import type { Clock } from '../../core/clock.js';
import type { Keyring } from '../../core/keys.js';
import { type Cipher, createCipher, MissingKeyError } from '../../core/seal.js';
import type { AuditTrail } from '../../staff/audit-trail.js';
import { ROLE_WORDS } from '../../staff/permissions.js';
import { isCsrfToken } from '../middleware/csrf.js';
import { beginSession, currentSession, endSession } from '../middleware/session.js';
import { type RelyingParty, type SignInAttempt, SignInRefused } from './oidc.js';
import type { StaffPages } from './render.js';

/** A sign-in is finished within ten minutes (ms) or begun again. */
const ATTEMPT = 10 * 60_000;
const CONTEXT = Buffer.from('staff-sign-in');

/** A page of the console to go to after signing in; never another site. */
export function safeTarget(to: unknown): string {
  if (typeof to !== 'string' || to.length > 500) return '/staff';
  const origin = 'http://console.invalid';
  try {
    const url = new URL(to, origin);
    const inside = url.origin === origin && (url.pathname === '/staff' || url.pathname.startsWith('/staff/'));
    return inside && !url.pathname.startsWith('/staff/sign') ? url.pathname + url.search : '/staff';
  } catch {
    return '/staff';
  }
}

interface SignInParts {
  readonly party: RelyingParty;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly trail: AuditTrail;
  readonly pages: StaffPages;
  readonly log: Logger;
  readonly production: boolean;
  /** Counts an answer that was refused; throws when there were too many from one network. */
  readonly countRefused: (request: Request) => Promise<void>;
}

/** The parts, and the sealed cookie that holds an attempt until the provider's answer comes back. */
interface SignInContext extends SignInParts {
  readonly cipher: Cipher;
  readonly cookie: string;
  readonly cookieOptions: CookieOptions;
}

function contextOf(parts: SignInParts): SignInContext {
  const { production } = parts;
  return {
    ...parts,
    cipher: createCipher(parts.keyring, 'staff-sign-in'),
    cookie: production ? '__Host-hush-sign-in' : 'hush-sign-in',
    cookieOptions: {
      httpOnly: true,
      sameSite: 'lax',
      secure: production,
      path: production ? '/' : '/staff',
      maxAge: ATTEMPT,
    },
  };
}

function attemptOf(
  { cookie, cipher, clock }: Pick<SignInContext, 'cookie' | 'cipher' | 'clock'>,
  request: Request,
): SignInAttempt | undefined {
  const header = request.get('cookie') ?? '';
  const text = header
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${cookie}=`))
    ?.slice(cookie.length + 1);
  let plain: Buffer | undefined;
  try {
    plain = text ? cipher.open(Buffer.from(text, 'base64url'), CONTEXT) : undefined;
  } catch (error) {
    // Whoever made the cookie up may have written any key id.
    if (!(error instanceof MissingKeyError)) throw error;
  }
  if (!plain) return undefined;
  const attempt = JSON.parse(plain.toString('utf8')) as SignInAttempt;
  return clock.now() - attempt.at <= ATTEMPT ? attempt : undefined;
}

function sendRefusal({ pages }: Pick<SignInContext, 'pages'>, response: Response, status: number, text: string): void {
  pages.send(response, status, 'message', {
    title: 'You are not signed in',
    text,
    detail: undefined,
    remedy: undefined,
    links: [{ href: '/staff/sign-in', label: 'Try again' }],
  });
}

async function beginSignIn(
  { clock, party, cipher, cookie, cookieOptions }: SignInContext,
  request: Request,
  response: Response,
) {
  const to = safeTarget(request.query.to);
  if (currentSession(request, clock)) return response.redirect(303, to);
  const { url, attempt } = await party.begin(to, clock.now());
  const sealed = cipher.seal(Buffer.from(JSON.stringify(attempt)), CONTEXT).toString('base64url');
  response.cookie(cookie, sealed, cookieOptions).set('Cache-Control', 'no-store').redirect(303, url);
}

async function finishSignIn(context: SignInContext, request: Request, response: Response) {
  const { cookie, cookieOptions, log, production, party, trail, clock } = context;
  const attempt = attemptOf(context, request);
  // Used once, whatever comes of it.
  response.clearCookie(cookie, { ...cookieOptions, maxAge: undefined } as never);
  if (!attempt) {
    log.warn({ reqId: response.locals.requestId, code: 'no_attempt' }, 'staff sign-in refused');
    return sendRefusal(context, response, 403, 'This sign-in did not start here, or it took longer than ten minutes.');
  }
  if (production && !request.secure) {
    log.error(
      { reqId: response.locals.requestId },
      'staff cannot sign in over plain HTTP; behind a proxy that ends TLS set HUSH_TRUST_PROXY',
    );
    return sendRefusal(context, response, 403, 'The console needs HTTPS. Please tell the operator.');
  }
  try {
    const user = await party.finish(request.originalUrl, attempt);
    if (user.roles.length === 0) {
      log.warn({ reqId: response.locals.requestId, user: user.id, code: 'no_role' }, 'staff sign-in refused');
      await trail.record(user, { kind: 'session', what: 'sign_in_refused', about: 'no role' });
      return sendRefusal(context, response, 403, 'Your account has no role here. Ask your administrator for one.');
    }
    await trail.record(user, { kind: 'session', what: 'signed_in' });
    await beginSession(request, user, clock);
    response.redirect(303, attempt.to);
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    // The answer is hostile or broken: its code is for the log, nothing of it for the page.
    log.warn({ reqId: response.locals.requestId, code: error.code }, 'staff sign-in refused');
    await context.countRefused(request);
    await trail.record(
      { id: 'unknown', name: 'unknown', roles: [] },
      { kind: 'session', what: 'sign_in_refused', about: error.code },
    );
    sendRefusal(
      context,
      response,
      403,
      'The answer of the identity provider could not be trusted. You are not signed in, and nothing was changed.',
    );
  }
}

async function signOut(
  context: Pick<SignInContext, 'clock' | 'trail' | 'pages'>,
  request: Request,
  response: Response,
) {
  const { clock, trail } = context;
  const session = currentSession(request, clock);
  if (session && !isCsrfToken(session.csrf, request.body?._csrf)) {
    await trail.record(session.user, { kind: 'refusal', what: 'csrf', about: 'POST /staff/sign-out' });
    return sendRefusal(context, response, 403, 'The form was from another session. You are still signed in.');
  }
  if (session) {
    await trail.record(session.user, { kind: 'session', what: 'signed_out' });
    await endSession(request);
  }
  response.redirect(303, '/staff/signed-out');
}

async function showSignedOut(
  { party, pages }: Pick<SignInContext, 'party' | 'pages'>,
  _request: Request,
  response: Response,
) {
  const provider = await party.endSessionUrl();
  pages.send(response, 200, 'message', {
    title: 'You are signed out',
    text: 'On a shared computer, sign out of the identity provider too. Otherwise the next click signs you in again.',
    detail: undefined,
    remedy: undefined,
    links: [
      ...(provider === undefined ? [] : [{ href: provider, label: 'Sign out of the identity provider' }]),
      { href: '/staff', label: 'Sign in again' },
    ],
  });
}

/** Sign-in, its return, and sign-out. Nothing is stored for somebody unknown: the attempt is in a sealed cookie. */
export function signInRoutes(parts: SignInParts): Router {
  const context = contextOf(parts);
  const router = Router();
  router.get('/staff/sign-in', (request, response) => beginSignIn(context, request, response));
  router.get('/staff/signed-in', (request, response) => finishSignIn(context, request, response));
  router.post('/staff/sign-out', (request, response) => signOut(context, request, response));
  router.get('/staff/signed-out', (request, response) => showSignedOut(context, request, response));
  return router;
}

/** The page of the development provider. */
export function choosePage(pages: StaffPages) {
  return (response: Response, values: { readonly action: string; readonly users: readonly unknown[] }): void => {
    pages.send(response, 200, 'choose', { title: 'Who are you today?', roles: ROLE_WORDS, ...values });
  };
}
