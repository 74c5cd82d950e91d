import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from 'express';
import type { Logger } from 'pino';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { AuditTrail, Deed, StaffUser } from '../../staff/audit-trail.js';
import { may, type Permission, ROLE_WORDS } from '../../staff/permissions.js';
import { unavailable } from '../../store/connect.js';
import { statusOf } from '../middleware/problem.js';
import { type NavigationItem, navigationFor } from './navigation.js';
import type { StaffPages } from './render.js';
import { currentSession, isCsrfToken, keepSession, type StaffSession } from './session.js';

/** One request of somebody signed in who has the route's permission. */
export interface Visit {
  readonly request: Request;
  readonly response: Response;
  readonly user: StaffUser;
  readonly session: StaffSession;
  readonly pages: StaffPages;
  may(permission: Permission): boolean;
  /** A field of the form, trimmed; '' when it was not sent. */
  field(name: string): string;
  /** A value of the query, trimmed; '' when absent. */
  query(name: string): string;
  /** A part of the path. */
  param(name: string): string;
  /** Writes down what is about to be shown or was done; durable when it resolves. */
  record(deed: Deed): Promise<void>;
  /** Renders `views/staff/<view>.ejs` in the console's layout. `title` is needed. */
  page(
    view: string,
    values: Readonly<Record<string, unknown>> & { readonly title: string },
    status?: number,
  ): Promise<void>;
  /** After a POST: goes to a page (303), which says `said` once. */
  go(path: string, said?: string): Promise<void>;
}

export type Handle = (visit: Visit) => Promise<void> | void;

export interface StaffRoute {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly permission: Permission;
  readonly handle: Handle;
}

/** What pages are built on: each is a route with one permission. */
export interface StaffShell {
  /** Adds a page. Nobody without the permission reaches `handle`; refusals are logged. */
  get(path: string, permission: Permission, handle: Handle): void;
  /** Adds an act. As `get`, and the form must carry the session's `_csrf`. */
  post(path: string, permission: Permission, handle: Handle): void;
  /** Mounts a handler that brings its own pages, such as the queue board. GET and HEAD only. */
  mount(path: string, permission: Permission, handler: RequestHandler): void;
  navigate(item: NavigationItem): void;
  readonly routes: readonly Omit<StaffRoute, 'handle'>[];
  readonly pages: StaffPages;
}

const TITLES: Readonly<Record<number, { readonly title: string; readonly text: string }>> = {
  400: { title: 'That cannot be done as written', text: 'Go back, correct it and send it again.' },
  401: { title: 'Your session has ended', text: 'Nothing was recorded. Sign in again, then repeat what you did.' },
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

export function createShell(parts: {
  readonly pages: StaffPages;
  readonly trail: AuditTrail;
  readonly clock: Clock;
  readonly log: Logger;
}): StaffShell & {
  readonly router: Router;
  readonly errors: ErrorRequestHandler;
  readonly guard: RequestHandler;
  readonly missing: RequestHandler;
} {
  const { pages, trail, clock, log } = parts;
  const router = Router();
  const routes: Omit<StaffRoute, 'handle'>[] = [];
  const navigation: NavigationItem[] = [];

  function fault(response: Response, status: number, detail?: { message: string; remedy?: string | undefined }): void {
    const words = TITLES[status] ?? TITLES[500];
    if (status === 503) response.set('Retry-After', '10');
    pages.send(response, status, 'message', {
      title: words?.title ?? '',
      text: words?.text ?? '',
      detail: detail?.message,
      remedy: detail?.remedy,
      links: status === 401 ? [{ href: '/staff', label: 'Sign in' }] : [{ href: '/staff', label: 'To the overview' }],
    });
  }

  async function refuse(
    request: Request,
    response: Response,
    user: StaffUser,
    why: string,
    route: string,
  ): Promise<void> {
    log.warn({ reqId: request.id, user: user.id, why, route }, 'staff request refused');
    await trail.record(user, { kind: 'refusal', what: why, about: `${request.method} ${route}` });
    fault(response, 403);
  }

  function visitOf(request: Request, response: Response, session: StaffSession): Visit {
    const { user } = session;
    const visit: Visit = {
      request,
      response,
      user,
      session,
      pages,
      may: (permission) => may(user.roles, permission),
      field(name) {
        const value: unknown = request.body?.[name];
        return typeof value === 'string' ? value.trim() : '';
      },
      query(name) {
        const value = request.query[name];
        return typeof value === 'string' ? value.trim() : '';
      },
      param: (name) => String(request.params[name] ?? ''),
      record: (deed) => trail.record(user, deed),
      async page(view, values, status = 200) {
        const said = session.said;
        if (said !== undefined) delete session.said;
        pages.send(response, status, view, {
          user: { ...user, role: user.roles.map((role) => ROLE_WORDS[role].name).join(', ') },
          navigation: await navigationFor(navigation, request.path, visit.may),
          flash: said,
          csrf: session.csrf,
          may: visit.may,
          ...values,
        });
      },
      async go(path, said) {
        if (said !== undefined) session.said = said;
        await keepSession(request);
        response.redirect(303, path);
      },
    };
    return visit;
  }

  function add(method: 'get' | 'post', path: string, permission: Permission, handle: Handle): void {
    routes.push({ method, path, permission });
    router[method](path, async (request: Request, response: Response) => {
      const session = currentSession(request, clock);
      if (!session) throw new HushError('unauthorized', 'nobody is signed in');
      if (!may(session.user.roles, permission)) return refuse(request, response, session.user, 'role', path);
      if (method === 'post' && !isCsrfToken(session, request.body?._csrf)) {
        return refuse(request, response, session.user, 'csrf', path);
      }
      await handle(visitOf(request, response, session));
    });
  }

  return {
    router,
    routes,
    pages,
    get: (path, permission, handle) => add('get', path, permission, handle),
    post: (path, permission, handle) => add('post', path, permission, handle),
    navigate: (item) => void navigation.push(item),

    mount(path, permission, handler) {
      routes.push({ method: 'get', path, permission });
      router.use(path, async (request, response, next) => {
        const session = currentSession(request, clock);
        if (!session) throw new HushError('unauthorized', 'nobody is signed in');
        if (!may(session.user.roles, permission)) return refuse(request, response, session.user, 'role', path);
        if (request.method !== 'GET' && request.method !== 'HEAD')
          return refuse(request, response, session.user, 'csrf', path);
        handler(request, response, next);
      });
    },

    /** Nobody unknown gets further, whether or not there is a page: what exists is not theirs to know. */
    guard(request, response, next) {
      if (currentSession(request, clock)) return next();
      if (request.method === 'GET' || request.method === 'HEAD') {
        const to = request.originalUrl.startsWith('/staff') ? request.originalUrl : '/staff';
        response.redirect(303, `/staff/sign-in?to=${encodeURIComponent(to)}`);
        return;
      }
      fault(response, 401);
    },

    missing: (_request, response) => fault(response, 404),

    errors(error, request, response, next) {
      if (response.headersSent) {
        log.error({ err: error, reqId: request.id }, 'staff page failed after the answer began');
        next(error);
        return;
      }
      const told = unavailable(error);
      if (told instanceof HushError) {
        const known = told.kind === 'invalid' || told.kind === 'conflict' || told.kind === 'unavailable';
        return fault(
          response,
          statusOf(told.kind),
          known ? { message: told.message, remedy: told.detail.remedy } : undefined,
        );
      }
      const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
      if (status >= 400 && status < 500) return fault(response, status === 413 ? 413 : 400);
      log.error({ err: error, reqId: request.id }, 'staff page failed');
      fault(response, 500);
    },
  };
}
