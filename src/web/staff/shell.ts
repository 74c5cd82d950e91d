import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import type { Logger } from 'pino';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { AuditTrail, StaffUser } from '../../staff/audit-trail.js';
import type { Draft, Drafts } from '../../staff/drafts.js';
import { may, type Permission } from '../../staff/permissions.js';
import { isCsrfToken } from '../middleware/csrf.js';
import { type Failure, statusOf } from '../middleware/problem.js';
import { currentSession, type StaffSession } from '../middleware/session.js';
import { fieldsIn, pageOfForm, ticketIn, withDraft } from './form-pages.js';
import type { NavigationItem } from './navigation.js';
import type { StaffPages } from './render.js';
import { createVisit, type Visit } from './visit.js';

export type { Visit } from './visit.js';

export type Handle = (visit: Visit) => Promise<void> | void;

export interface StaffRoute {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly permission: Permission;
  /** Of a POST: the page of its form, where the path does not say. */
  readonly page?: string | undefined;
  readonly handle: Handle;
}

/** What pages are built on: each is a route with one permission. */
export interface StaffShell {
  /** Adds a page. Nobody without the permission reaches `handle`; refusals are logged. */
  get(path: string, permission: Permission, handle: Handle): void;
  /**
   * Adds an act. As `get`, and the form must carry the session's `_csrf`. It ends with `go`, never with a page of its own, so
   * that reload repeats nothing. What it refuses is said on the page of its form: the GET of the same path, or the path without
   * its last part, or `page`.
   */
  post(path: string, permission: Permission, handle: Handle, page?: string): void;
  /** Mounts a handler that brings its own pages, such as the queue board. GET and HEAD only. */
  mount(path: string, permission: Permission, handler: RequestHandler): void;
  navigate(item: NavigationItem): void;
  readonly routes: readonly Omit<StaffRoute, 'handle'>[];
  readonly pages: StaffPages;
}

/** The path in full, wherever a handler is mounted. */
const pathOf = (request: Request): string => request.baseUrl + request.path;

/** What is said on the page of the form, not on a page of its own. */
const REFUSED: ReadonlySet<string> = new Set(['invalid', 'conflict', 'too_large']);
const SIGNED_IN_AGAIN =
  'You have signed in again since you opened this form. Nothing was recorded: check it and send it again.';
const SESSION_ENDED = 'Your session ended before you sent this. Nothing was recorded: check it and send it again.';

/** "Choose one of the list: choose one." as a sentence. */
export function sentenceOf({ message, detail }: HushError): string {
  const text = detail.remedy ? `${message}: ${detail.remedy}` : message;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const TITLES: Readonly<Record<number, { readonly title: string; readonly text: string }>> = {
  400: { title: 'That cannot be done as written', text: 'Go back, correct it and send it again.' },
  401: {
    title: 'Your session has ended',
    text: 'Nothing was recorded. Sign in again. If this page can keep what you typed, it is in the form after that.',
  },
  403: { title: 'Your role does not allow this', text: 'Nothing was done. The attempt was logged.' },
  404: { title: 'There is nothing here', text: 'The address is wrong, or you may not see this page.' },
  409: { title: 'Someone else changed this first', text: 'It has changed since you opened it. Look at it again.' },
  413: { title: 'That was too large', text: 'Send less at once.' },
  429: { title: 'Too many requests', text: 'Wait a minute, then try again.' },
  500: {
    title: 'Something broke on our side',
    text: 'Try again. If it happens again, tell the operator what time it happened.',
  },
  503: {
    title: 'The database cannot be reached',
    text: 'Nothing was changed. Write down the caller’s address and try again in a moment.',
  },
};

interface ShellParts {
  readonly pages: StaffPages;
  readonly trail: AuditTrail;
  readonly drafts: Drafts;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The parts, and what the pages have added so far. */
interface ShellContext extends ShellParts {
  readonly router: Router;
  readonly routes: Omit<StaffRoute, 'handle'>[];
  readonly navigation: NavigationItem[];
}

/** The shell, and what the console mounts of it. */
interface ConsoleShell extends StaffShell {
  readonly router: Router;
  /** The page of the console for a request that failed. */
  readonly fail: (request: Request, response: Response, failure: Failure) => void;
  readonly guard: RequestHandler;
  readonly missing: RequestHandler;
}

function sendFault(
  { pages }: Pick<ShellContext, 'pages'>,
  response: Response,
  status: number,
  detail?: { message: string; remedy?: string | undefined },
  retry?: Request,
): void {
  const words = TITLES[status] ?? TITLES[500];
  if (status === 503) response.set('Retry-After', '10');
  pages.send(response, status, 'message', {
    title: words?.title ?? '',
    text: words?.text ?? '',
    detail: detail?.message,
    remedy: detail?.remedy,
    // What was sent can be sent again from here: the page that had it may be gone.
    retry:
      retry?.method === 'POST'
        ? { action: pathOf(retry), fields: fieldsIn(retry.body), csrf: retry.body?._csrf }
        : undefined,
    links: status === 401 ? [{ href: '/staff', label: 'Sign in' }] : [{ href: '/staff', label: 'To the overview' }],
  });
}

async function refuseVisit(
  context: Pick<ShellContext, 'log' | 'trail' | 'pages'>,
  request: Request,
  response: Response,
  user: StaffUser,
  why: string,
  route: string,
): Promise<void> {
  const { log, trail } = context;
  log.warn({ reqId: response.locals.requestId, user: user.id, why, route }, 'staff request refused');
  await trail.record(user, { kind: 'refusal', what: why, about: `${request.method} ${route}` });
  sendFault(context, response, 403);
}

function visitOf(
  { routes, pages, trail, drafts, navigation }: ShellContext,
  request: Request,
  response: Response,
  session: StaffSession,
  draft?: Draft,
): Visit {
  const pageOf = () => pageOfForm(routes, request.path);
  return createVisit({ request, response, session, pages, trail, drafts, draft, navigation, pageOf });
}

/** A form that was refused goes back to its page, with what was typed and what is wrong. */
async function actOn(visit: Visit, handle: Handle): Promise<void> {
  try {
    await handle(visit);
  } catch (error) {
    const refused = error instanceof HushError && REFUSED.has(error.kind);
    if (!refused || visit.response.headersSent) throw error;
    await visit.again(sentenceOf(error), { status: statusOf(error.kind) });
  }
}

function addRoute(
  context: ShellContext,
  method: 'get' | 'post',
  path: string,
  permission: Permission,
  handle: Handle,
  page?: string,
): void {
  const { routes, router, clock, drafts } = context;
  routes.push({ method, path, permission, page });
  router[method](path, async (request: Request, response: Response) => {
    const session = currentSession(request, clock);
    if (!session) throw new HushError('unauthorized', 'nobody is signed in');
    const { user } = session;
    if (!may(user.roles, permission)) return refuseVisit(context, request, response, user, 'role', path);
    if (method === 'get') {
      const draft =
        typeof request.query.draft === 'string' ? await drafts.get(user.id, request.query.draft) : undefined;
      return handle(visitOf(context, request, response, session, draft));
    }
    const visit = visitOf(context, request, response, session);
    if (isCsrfToken(session.csrf, request.body?._csrf)) return actOn(visit, handle);
    // Of a page that the same user opened before they signed in again: nothing is done, and nothing typed is lost.
    if (drafts.userOf(ticketIn(request.body)) === user.id) return visit.again(SIGNED_IN_AGAIN, { status: 409 });
    return refuseVisit(context, request, response, user, 'csrf', path);
  });
}

/** What somebody sent after their session had ended: kept for the one whose page it was, until they have signed in again. */
async function keepForLater(
  { drafts, routes }: Pick<ShellContext, 'drafts' | 'routes'>,
  request: Request,
): Promise<string | undefined> {
  const user = drafts.userOf(ticketIn(request.body));
  const path = pathOf(request);
  const page = pageOfForm(routes, path);
  if (user === undefined || page === undefined) return undefined;
  const id = await drafts.keep(user, { action: path, fields: fieldsIn(request.body), fault: SESSION_ENDED });
  return id === undefined ? undefined : withDraft(page, id);
}

function mountHandler(context: ShellContext, path: string, permission: Permission, handler: RequestHandler): void {
  const { routes, router, clock } = context;
  routes.push({ method: 'get', path, permission });
  router.use(path, async (request, response, next) => {
    const session = currentSession(request, clock);
    if (!session) throw new HushError('unauthorized', 'nobody is signed in');
    if (!may(session.user.roles, permission))
      return refuseVisit(context, request, response, session.user, 'role', path);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuseVisit(context, request, response, session.user, 'csrf', path);
    handler(request, response, next);
  });
}

/** Nobody unknown gets further, whether or not there is a page: what exists is not theirs to know. */
async function guardConsole(context: ShellContext, request: Request, response: Response, next: NextFunction) {
  const { clock, pages } = context;
  if (currentSession(request, clock)) return next();
  if (request.method === 'GET' || request.method === 'HEAD') {
    const to = request.originalUrl.startsWith('/staff') ? request.originalUrl : '/staff';
    response.redirect(303, `/staff/sign-in?to=${encodeURIComponent(to)}`);
    return;
  }
  const later = await keepForLater(context, request);
  if (later === undefined) return sendFault(context, response, 401);
  pages.send(response, 401, 'message', {
    title: 'Your session has ended',
    text: 'Nothing was recorded. What you typed is kept for an hour: sign in, check it and send it.',
    detail: undefined,
    remedy: undefined,
    links: [{ href: `/staff/sign-in?to=${encodeURIComponent(later)}`, label: 'Sign in and go on' }],
  });
}

function sendFailure(
  context: Pick<ShellContext, 'pages'>,
  request: Request,
  response: Response,
  { status, error }: Failure,
): void {
  const isExplained = error && ['invalid', 'conflict', 'unavailable'].includes(error.kind);
  sendFault(
    context,
    response,
    status,
    isExplained ? { message: error.message, remedy: error.detail.remedy } : undefined,
    status === 500 || error?.kind === 'unavailable' ? request : undefined,
  );
}

/** What the console's pages are built on, and what answers for those that do not exist or fail. */
export function createShell(parts: ShellParts): ConsoleShell {
  const { pages } = parts;
  const context: ShellContext = { ...parts, router: Router(), routes: [], navigation: [] };
  const { router, routes, navigation } = context;
  return {
    router,
    routes,
    pages,
    get: (path, permission, handle) => addRoute(context, 'get', path, permission, handle),
    post: (path, permission, handle, page) => addRoute(context, 'post', path, permission, handle, page),
    navigate: (item) => void navigation.push(item),

    mount: (path, permission, handler) => mountHandler(context, path, permission, handler),

    guard: (request, response, next) => guardConsole(context, request, response, next),

    missing: (_request, response) => sendFault(context, response, 404),

    fail: (request, response, failure) => sendFailure(context, request, response, failure),
  };
}
