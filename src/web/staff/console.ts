import { type Request, type Response, Router } from 'express';
import type { Logger } from 'pino';
import type { StaffEnvironment } from '../../config/environment.js';
import type { Clock } from '../../core/clock.js';
import type { Keyring } from '../../core/keys.js';
import type { AuditTrail } from '../../staff/audit-trail.js';
import { createDrafts } from '../../staff/drafts.js';
import type { StaffDrafts } from '../../store/staff-drafts.js';
import type { StaffSessions } from '../../store/staff-sessions.js';
import { type FormFiles, multipart } from '../middleware/multipart.js';
import type { Failure } from '../middleware/problem.js';
import { sessionMiddleware } from '../middleware/session.js';
import { DEVELOPMENT_CLIENT, DEVELOPMENT_PATH, developmentProvider } from './development-provider.js';
import { createRelyingParty } from './oidc.js';
import { createStaffPages } from './render.js';
import { createShell, type StaffShell } from './shell.js';
import { choosePage, signInRoutes } from './sign-in.js';

/** Pages somebody adds to the console: routes, navigation, whatever the shell offers. */
export type StaffExtension = (shell: StaffShell) => void;

export interface StaffConsoleParts {
  readonly environment: StaffEnvironment;
  readonly production: boolean;
  readonly folders: { readonly views: string; readonly locales: string; readonly assets: string };
  readonly baseCss: string;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicUrl: () => string;
  readonly sessions: StaffSessions;
  readonly drafts: StaffDrafts;
  readonly trail: AuditTrail;
  /** Where the files go that staff attach to requests. */
  readonly files: FormFiles;
  /** Counts a sign-in that was refused; throws when there were too many from one network. */
  readonly countRefused: (request: Request) => Promise<void>;
  readonly extensions: readonly StaffExtension[];
}

export interface StaffConsole {
  /** The console, with its paths in full: `/staff/…`. Wants the urlencoded body. */
  readonly router: Router;
  /** `/dev/idp`, without its path; nothing in production, or where a real provider is set. */
  readonly developmentProvider: readonly [path: string, router: Router] | undefined;
  readonly routes: StaffShell['routes'];
  /** The page for a request that failed. */
  readonly fail: (request: Request, response: Response, failure: Failure) => void;
}

/** The staff console: sign-in, shell, and the pages that are given. */
export async function createStaffConsole(parts: StaffConsoleParts): Promise<StaffConsole> {
  const { environment, production, clock, keyring, log, publicUrl, trail } = parts;
  const pages = await createStaffPages({ ...parts.folders, baseCss: parts.baseCss });
  const shell = createShell({
    pages,
    trail,
    drafts: createDrafts({ store: parts.drafts, keyring, clock }),
    clock,
    log,
  });
  const router = Router();

  router.get(pages.css.path, (_request, response) => {
    response.type('css').set('Cache-Control', 'public, max-age=31536000, immutable').send(pages.css.text);
  });
  // Opened in a tab of its own by whoever is told that the session ends: any page makes it longer.
  shell.get('/staff/stay', 'console.open', (visit) =>
    visit.page('message', {
      title: 'You stay signed in',
      text: 'Close this tab and go on in the other one.',
      detail: undefined,
      remedy: undefined,
      links: [],
    }),
  );
  for (const extend of parts.extensions) extend(shell);

  if (environment.oidc === undefined && production) {
    router.use('/staff', (_request, response) => {
      pages.send(response, 404, 'message', {
        title: 'The console is not set up',
        text: 'This installation has no identity provider for staff. The operator sets HUSH_OIDC_ISSUER.',
        detail: undefined,
        remedy: undefined,
        links: [],
      });
    });
    return { router, developmentProvider: undefined, routes: shell.routes, fail: shell.fail };
  }

  const own = environment.oidc === undefined;
  const party = createRelyingParty({
    issuer: () => environment.oidc?.issuer ?? `${publicUrl()}${DEVELOPMENT_PATH}`,
    clientId: environment.oidc?.clientId ?? DEVELOPMENT_CLIENT,
    clientSecret: environment.oidc?.clientSecret,
    roleClaim: environment.roleClaim,
    roles: environment.roles,
    insecure: !production,
    redirectUri: () => `${publicUrl()}/staff/signed-in`,
    signedOutUri: () => `${publicUrl()}/staff/signed-out`,
  });
  router.use('/staff', sessionMiddleware({ sessions: parts.sessions, keyring, production }));
  router.use(signInRoutes({ party, keyring, clock, trail, pages, log, production, countRefused: parts.countRefused }));
  router.use('/staff', shell.guard);
  // Files that staff attach: after the guard, so that nobody unknown has us read them; the form's token is inside the body.
  router.post('/staff/requests/:id/files', multipart(parts.files));
  router.use(shell.router);
  router.use('/staff', shell.missing);

  return {
    router,
    developmentProvider: own
      ? [DEVELOPMENT_PATH, developmentProvider({ publicUrl, page: choosePage(pages) })]
      : undefined,
    routes: shell.routes,
    fail: shell.fail,
  };
}
