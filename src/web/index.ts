import type { Request, RequestHandler, Response } from 'express';
import { Router } from 'express';
import type { Audit } from '../audit/index.js';
import { keyIdsNamed } from '../core/token.js';
import type { Foundation } from '../foundation.js';
import type { Inbound } from '../inbound/index.js';
import type { WebhooksIn } from '../inbound/webhooks.js';
import type { Mail } from '../mail/index.js';
import { createConsents } from '../preferences/consents.js';
import type { Preferences } from '../preferences/index.js';
import type { Readiness } from '../readiness.js';
import type { Rights } from '../rights/index.js';
import type { Staff } from '../staff/index.js';
import { createSuppressionExport } from '../suppression/export.js';
import type { Sync } from '../sync/index.js';
import { createAuthenticate } from './api/authenticate.js';
import { createApi } from './api/index.js';
import { type AppParts, createApp, isConsolePath, isMachinePath } from './app.js';
import { createClientAddress } from './client-address.js';
import { docsRoutes } from './docs.js';
import { healthRoutes } from './health.js';
import { destinationHooks } from './hooks/destinations.js';
import { createMailHook } from './hooks/mail.js';
import { createTextHook } from './hooks/sms.js';
import { mailboxRoutes } from './mailbox.js';
import { BODY_BUDGET, createBodyBudget } from './middleware/body-budget.js';
import { createLimits, LIMITS, type Limits } from './middleware/limits.js';
import { problems, sendFailure } from './middleware/problem.js';
import { createActs } from './public/acts.js';
import { publicPages } from './public/index.js';
import { createOneClick } from './public/one-click.js';
import { createPages } from './public/pages.js';
import { createWebServer, type Patience } from './server.js';
import { createConsole } from './staff/index.js';
import { createLogRoutes } from './transparency-log.js';

export interface WebParts {
  readonly base: Foundation;
  readonly preferences: Preferences;
  readonly mail: Mail;
  readonly rights: Rights;
  readonly audit: Audit;
  readonly staff: Staff;
  readonly sync: Sync;
  readonly inbound: Inbound;
  readonly webhooksIn: WebhooksIn;
  readonly readiness: Readiness;
  readonly limits?: Limits | undefined;
  readonly patience?: Partial<Patience> | undefined;
}

/** Everything that answers over HTTP. A worker answers its operators and nobody else. */
export async function createWeb(parts: WebParts) {
  const { base, preferences, mail, rights, audit, staff, sync, inbound, readiness } = parts;
  const { environment, stores, catalog, clock, log, metrics, production, queues } = base;
  const { links } = preferences;
  const clientAddress = createClientAddress(environment.trustProxy);
  const pages = await createPages({ catalog, folders: base.folders, rightsPath: '/rights' });
  const limits = createLimits({
    redis: queues.redis,
    namespace: environment.namespace,
    limits: parts.limits ?? LIMITS,
    clientAddress,
    onRefused: metrics.refused,
  });
  const bodies = createBodyBudget({ budget: BODY_BUDGET, clientAddress, onRefused: metrics.refused });
  const authenticate = createAuthenticate({ apiKeys: stores.apiKeys, machine: base.machine, badKey: limits.badKey });
  const consents = createConsents({ ...base, ...preferences, ...mail, tickets: stores.tickets });
  const suppressionExport = createSuppressionExport({ ...base, contacts: stores.contacts });
  const acts = createActs(preferences);
  const api = createApi({
    ...base,
    ...preferences,
    ...audit,
    authenticate,
    consents,
    suppressionExport,
    rights,
    sync,
    isStopping: readiness.isStopping,
    onAcknowledged: (seconds) => metrics.acknowledged('api', seconds),
  });
  const console = await createConsole({
    ...base,
    ...audit,
    staffEnvironment: environment.staff,
    baseCss: pages.css.path,
    staff,
    rights,
    receipts: preferences.receipts,
    suppressionExport,
    review: inbound.review,
    reports: sync.reports,
    queues: queues.queues,
    countRefused: limits.badToken,
  });

  const evidenceOf = (request: Request): Record<string, string> => ({
    ip: clientAddress(request),
    userAgent: (request.get('user-agent') ?? '').slice(0, 200),
  });
  /** Counts a link that is not ours, unless only another process can say whether it is. */
  async function refuseToken(request: Request): Promise<void> {
    await base.keyWatch.requireKeys(keyIdsNamed(String(request.params.token ?? '')));
    await limits.badToken(request);
  }
  const showMetrics: RequestHandler = async (_request, response: Response) => {
    response.type(metrics.contentType).send(await metrics.text());
  };
  const forOperators: AppParts['machines'] = [
    ['/', healthRoutes({ readiness: readiness.check })],
    ['/', Router().get('/metrics', showMetrics)],
  ];
  const { mailIn, textIn } = inbound;
  const { smsAuthTokens: authTokens } = environment.inbound;
  const { publicUrl } = base;
  const forEverybody: Pick<AppParts, 'machines' | 'people'> = {
    machines: [
      ...forOperators,
      ['/', docsRoutes({ pages, document: () => api.document(publicUrl()) })],
      ['/log', createLogRoutes({ stores: stores.log, signer: audit.signer, jwks: audit.jwks })],
      ['/v1', api.router],
      ...(console.developmentProvider ? [console.developmentProvider] : []),
      ['/hooks', createMailHook({ mailIn, authenticate })],
      ...(textIn ? ([['/hooks', createTextHook({ textIn, authTokens, publicUrl })]] as const) : []),
      ['/hooks', destinationHooks({ webhooksIn: parts.webhooksIn, publicUrl, clientAddress, bodies })],
    ],
    people: [
      // Its many routes are looked through for its own paths only.
      (request, response, next) => (isConsolePath(request.path) ? console.router(request, response, next) : next()),
      ...publicPages({
        ...parts,
        pages,
        acts,
        consents,
        limits,
        bodies,
        clientAddress,
        evidenceOf,
        refuse: refuseToken,
      }),
      ...(production || environment.smtpUrl !== undefined ? [] : [mailboxRoutes({ pages, mailbox: stores.mailbox })]),
    ],
  };
  const runsWeb = environment.role !== 'worker';
  const app = createApp({
    log,
    trustProxy: environment.trustProxy,
    production,
    ...(runsWeb ? forEverybody : { machines: forOperators, people: [] }),
    problems: problems({
      log,
      answer(request, response, failure) {
        if (isMachinePath(request.path)) sendFailure(response, failure);
        else if (isConsolePath(request.path)) console.fail(request, response, failure);
        else pages.fault(request, response, failure.status);
      },
    }),
  });
  const oneClick = createOneClick({
    read: (token) => links.read(token, clock.now()),
    optOut: (link, evidence) => acts.optOut(link, 'one_click', evidence),
    page: app,
    onAcknowledged: (seconds) => metrics.acknowledged('one_click', seconds),
    onFault: (error) => log.error({ err: error }, 'one-click failed'),
    phone: catalog.group.phone,
    clientAddress,
  });
  return {
    server: createWebServer(
      runsWeb ? oneClick : () => false,
      app,
      (error) => log.error({ err: error }, 'a request failed before its route'),
      // No balancer takes notice of a worker or of a program under development: they end as soon as nobody asks for anything.
      { ...(production && runsWeb ? {} : { notice: 0 }), ...parts.patience },
    ),
    bodies,
    consoleRoutes: console.routes,
  };
}
