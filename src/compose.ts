import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Request, Router } from 'express';
import type { Logger } from 'pino';
import { createAudit } from './audit/index.js';
import { configurationHash, readCatalog } from './config/catalog.js';
import type { Environment } from './config/environment.js';
import { readPolicy } from './config/policy.js';
import { fingerprintsOf } from './config/secrets.js';
import { createAliasGroups } from './core/alias-group.js';
import { createClock } from './core/clock.js';
import { networkOf } from './core/ip-address.js';
import { contactKeyText } from './core/keys.js';
import { keyIdsNamed } from './core/token.js';
import { createInbound } from './inbound/index.js';
import { createWebhooksIn } from './inbound/webhooks.js';
import { createKeyWatch } from './key-watch.js';
import { createLog } from './logger.js';
import { createComposer } from './mail/compose.js';
import { createOutbox } from './mail/outbox.js';
import { createFormMail, createRecipientLimits } from './mail/recipient-limits.js';
import { createTransport } from './mail/transport.js';
import { createAccept } from './preferences/accept.js';
import { createConsents } from './preferences/consents.js';
import { createLanguageOf, inOwnLanguage } from './preferences/contact-language.js';
import { createDecisions } from './preferences/decisions.js';
import { createEarlierStop } from './preferences/earlier-stop.js';
import { createJournal } from './preferences/journal.js';
import { createLinkedContacts } from './preferences/linked-contacts.js';
import { createLinks } from './preferences/links.js';
import type { QueuedMail } from './preferences/outgoing-mail.js';
import { createPrivateParts } from './preferences/private-part.js';
import { createProjectionLoop } from './preferences/projection-loop.js';
import { createProjector } from './preferences/projector.js';
import { createReceipts } from './preferences/receipts.js';
import { createStopReasons } from './preferences/stop-reasons.js';
import { createUndo } from './preferences/undo.js';
import { checkRedis, createQueue } from './queue.js';
import { createAccessPackages } from './rights/access.js';
import { createAccessDelivery } from './rights/access-delivery.js';
import { createGather } from './rights/access-gather.js';
import { createAskSystem } from './rights/access-systems.js';
import { createAccessWords } from './rights/access-words.js';
import { createErasurePreview } from './rights/erasure-preview.js';
import { createRights } from './rights/index.js';
import { createLetters } from './rights/letters.js';
import { createRequestSeal } from './rights/personal.js';
import { createRequestContents } from './rights/request-contents.js';
import { createScheduler } from './scheduler.js';
import { createApprovals } from './staff/approvals.js';
import { openCheckedStores, portError, requireFolder } from './start-up.js';
import { setStoreTimeout } from './store/connect.js';
import { clockOffset, provesDurable } from './store/open.js';
import { createChangeFeed } from './suppression/change-feed.js';
import { createSuppressionExport } from './suppression/export.js';
import { bindDestinations } from './sync/bind.js';
import { createPlanPendingSyncs } from './sync/desired.js';
import { adapters } from './sync/destinations/index.js';
import { createHttp } from './sync/http.js';
import { createSync } from './sync/index.js';
import type { WorkerTimes } from './sync/task.js';
import { createAuthenticate } from './web/api/authenticate.js';
import { createApi } from './web/api/index.js';
import { type AppParts, createApp, isMachinePath } from './web/app.js';
import { BODY_BUDGET, createBodyBudget } from './web/body-budget.js';
import { clientAddressOf } from './web/client-address.js';
import { docsRoutes } from './web/docs.js';
import { healthRoutes } from './web/health.js';
import { destinationHooks } from './web/hooks/destinations.js';
import { createMailHook } from './web/hooks/mail.js';
import { createTextHook } from './web/hooks/sms.js';
import { createLimits, LIMITS, type Limits } from './web/limits.js';
import { mailboxRoutes } from './web/mailbox.js';
import { createMetrics } from './web/metrics.js';
import { problems } from './web/middleware/problem.js';
import { accessPages } from './web/public/access.js';
import { createActs } from './web/public/acts.js';
import { misplacedOneClick } from './web/public/misplaced-one-click.js';
import { createOneClick } from './web/public/one-click.js';
import { createPages } from './web/public/pages.js';
import { preferencePage } from './web/public/preference-page.js';
import { createResults } from './web/public/results.js';
import { rightsPages } from './web/public/rights.js';
import { publicRoutes } from './web/public/routes.js';
import { createWebServer, type Patience } from './web/server.js';
import { accessPackagePages } from './web/staff/access.js';
import { createStaff } from './web/staff/index.js';
import { letterPages } from './web/staff/letters.js';
import { requestActs } from './web/staff/request-acts.js';
import { requestChart } from './web/staff/request-chart.js';
import { requestListPages } from './web/staff/request-list.js';
import { requestPage } from './web/staff/request-page.js';
import { requestPreviews } from './web/staff/request-preview.js';
import { reviewPages } from './web/staff/review.js';
import { waitingErasures } from './web/staff/waiting-erasures.js';
import { createLogRoutes } from './web/transparency-log.js';

/** What a test may set otherwise than an operator. */
export interface ComposeOptions {
  /** ms since 1970; the machine's clock unless told. */
  readonly machineTime?: () => number;
  readonly limits?: Limits;
  readonly workerTimes?: Partial<WorkerTimes>;
  readonly sweepMs?: number;
  readonly patience?: Partial<Patience>;
  /** ms; what was told later than this before a comparison is not compared. */
  readonly settling?: number;
  readonly log?: Logger;
}

/** Views, templates, words and styles beside the program, whether it runs from `src` or from `dist`. */
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** Skew (ms) between our clock and the database's at which a node calls itself not ready. */
const MAX_SKEW_MS = 1000;
/** How long (ms) a proof of readiness is believed. */
const READY_MS = 1000;
const MAX_DRAIN_MS = 15_000;
/** How often (ms) letters, access packages and the like are looked after: nobody waits for them with a page open. */
const TASKS_MS = 5000;

/** Builds an installation and joins its parts: the only place that knows every one. Stores must be reachable. */
export async function compose(
  environment: Environment & { readonly mongoUri: string; readonly redisUrl: string },
  options: ComposeOptions = {},
) {
  const { keyring, production, namespace } = environment;
  const log = options.log ?? createLog(environment.logLevel);
  const catalog = readCatalog(path.join(environment.configDir, 'catalog.yaml'));
  const policy = readPolicy(path.join(environment.configDir, 'policy.yaml'));
  const configuration = configurationHash(catalog, policy);
  const clock = createClock(options.machineTime ?? Date.now);
  const http = createHttp({ now: clock.now });
  const destinations = bindDestinations(catalog, adapters, { http, now: clock.now, dataDir: environment.dataDir });

  await checkRedis(environment.redisUrl);
  if (environment.journalDir !== undefined) await requireFolder('HUSH_JOURNAL_DIR', environment.journalDir, 0o700);
  if (destinations.some(({ adapter }) => adapter === 'file')) {
    await requireFolder('HUSH_DATA_DIR', environment.dataDir);
  }
  setStoreTimeout(environment.storeTimeoutMs);
  const { stores, installationId } = await openCheckedStores(environment);
  const { contacts, ledger, persons, writerIds, tickets, apiKeys, leaders, changes, configurations } = stores;
  let skew = await clockOffset(stores.connection);
  if (options.machineTime === undefined) clock.correct(skew);

  let publicUrl = environment.publicUrl ?? '';
  const publicUrlNow = () => publicUrl;
  const keyWatch = createKeyWatch({ ours: fingerprintsOf(keyring), recorded: stores.installation.read, log });
  await keyWatch.look();
  const queue = createQueue({ url: environment.redisUrl, namespace, log });
  const metrics = createMetrics({
    destinations: destinations.map(({ name }) => name),
    waiting: contacts.waiting,
    backlog: contacts.backlog,
    missingKeys: () => keyWatch.missing().length,
    requests: async () => ({ open: await rights.report.countOpen(), late: await rights.report.countLate() }),
    now: clock.now,
  });

  const privateParts = createPrivateParts(keyring);
  const aliasGroupOf = createAliasGroups(keyring, policy.mailboxes);
  const marking = createPlanPendingSyncs({ destinations, policy });
  const projector = createProjector({
    contacts,
    ledger,
    privateParts,
    policy,
    configuration,
    aliasGroupOf,
    clock,
    planPendingSyncs: marking,
    onPending: (names) => {
      for (const name of names) queue.wake(name);
    },
    onProjected: (_contacts, lag) => metrics.projected(lag),
    onMissingKey: keyWatch.note,
    onBrokenSeal: (contact) =>
      log.error({ contact: contactKeyText(contact) }, 'the data key of a contact does not open; it is left as it is'),
  });
  const projection = createProjectionLoop({
    projector,
    contacts,
    log,
    onUnopened: metrics.unopened,
    ...(options.sweepMs === undefined ? {} : { sweepMs: options.sweepMs }),
  });
  const journal =
    environment.journalDir === undefined
      ? undefined
      : createJournal({ dir: environment.journalDir, installation: installationId, log });
  await journal?.check();
  const accept = createAccept({
    contacts,
    persons,
    writerIds,
    keyring,
    privateParts,
    aliasGroupOf,
    clock,
    onAppended: projection.projectSoon,
    journal: journal?.write,
  });
  const decisions = createDecisions({
    contacts,
    ledger,
    catalog,
    policy,
    aliasGroupOf,
    clock,
    onDecision: metrics.decided,
  });
  const links = createLinks({ keyring, catalog, publicUrl: publicUrlNow });
  const bindings = destinations.flatMap(({ name, bindings: list, destination }) =>
    list.map((binding) => ({
      destination: name,
      name: binding.name,
      scope: binding.scope,
      accepts: destination.accepts,
    })),
  );
  const receipts = createReceipts({ contacts, ledger, bindings, privateParts, clock });
  const suppressionExport = createSuppressionExport({ contacts, privateParts, policy, clock });

  const composer = await createComposer({
    catalog,
    templatesDir: path.join(ROOT, 'templates'),
    localesDir: path.join(ROOT, 'locales'),
  });
  const transport = createTransport({ smtpUrl: environment.smtpUrl, mailbox: stores.mailbox, now: clock.now });
  const outbox = createOutbox({ store: stores.outbox, composer, transport, keyring, clock, log });
  const languageOf = createLanguageOf({ decisions: decisions, catalog, clock });
  const post = inOwnLanguage(
    { languageOf, keyring, country: catalog.group.defaultCountry },
    createFormMail<QueuedMail>(
      createRecipientLimits({ store: stores.outbox, keyring, country: catalog.group.defaultCountry, clock }),
      outbox.enqueue,
    ),
  );
  const consents = createConsents({
    accept,
    decisions: decisions,
    tickets,
    links,
    privateParts,
    keyring,
    catalog,
    clock,
    post,
    publicUrl: publicUrlNow,
  });

  const letters = createLetters({
    composer,
    store: stores.letters,
    catalog,
    keyring,
    clock,
    policy,
    post: outbox.enqueue,
  });
  const requestContents = createRequestContents({
    store: stores.requests,
    files: stores.requestFiles,
    seal: createRequestSeal(keyring),
  });
  const accessPackages = createAccessPackages({
    provenAddresses: requestContents.provenAddresses,
    store: stores.accessPackages,
    contacts,
    privateParts,
    keyring,
    catalog,
    policy,
    clock,
    log,
    gather: createGather({
      contacts,
      ledger,
      trail: stores.trail,
      privateParts,
      catalog,
      policy,
      clock,
      requestsOf: requestContents.ofContacts,
      lettersOf: letters.ofRequest,
    }),
    ask: createAskSystem({ http, now: clock.now, publicOnly: production }),
    words: createAccessWords({ catalog, localesDir: path.join(ROOT, 'locales') }),
  });
  const accessDelivery = createAccessDelivery({
    packages: accessPackages,
    store: stores.accessPackages,
    outbox: stores.outbox,
    composer,
    post: outbox.enqueue,
    keyring,
    clock,
    log,
    publicUrl: publicUrlNow,
  });

  const rights = createRights({
    stores,
    accept,
    links,
    letters,
    packages: accessPackages,
    purgeLetters: stores.letters.forgetRequest,
    mail: post,
    languageOf,
    keyring,
    catalog,
    policy,
    clock,
    publicUrl: publicUrlNow,
    log,
    onAlert: metrics.alerted,
  });

  const audit = createAudit({
    stores,
    keyring,
    privateParts,
    catalog,
    policy,
    publicUrl: environment.publicUrl ?? 'http://hush.localhost',
    witnesses: environment.witnesses,
    clock,
    log,
  });
  const feed = createChangeFeed({ changes, contacts, leader: leaders.leaderFor('feed'), log });

  // The console counts too, and is made once all it shows is.
  const counting = { told: (_destination: string, _seconds: readonly number[]): void => undefined };
  const sync = createSync({
    destinations,
    stores,
    privateParts,
    projector,
    accept,
    keyring,
    policy,
    configuration,
    country: catalog.group.defaultCountry,
    http,
    publicOnly: production,
    clock,
    log,
    wake: queue.wake,
    forget: audit.forget,
    onSynced(destination, seconds) {
      metrics.synced(destination, seconds);
      counting.told(destination, seconds);
    },
    onFault: metrics.fault,
    onMissingKey: keyWatch.note,
    missingKeys: keyWatch.missing,
    onFound: metrics.found,
    times: options.workerTimes,
    settling: options.settling,
    intervalMs: options.sweepMs,
  });
  const inbound = await createInbound({
    requireKeys: () => keyWatch.requireKeys(),
    environment: environment.inbound,
    files: {
      bounceRules: path.join(environment.configDir, 'bounce-rules.yaml'),
      textWords: path.join(environment.configDir, 'text-words.yaml'),
    },
    stores,
    accept,
    decisions: decisions,
    receipts,
    links,
    post,
    languageOf,
    keyring,
    catalog,
    policy,
    clock,
    publicUrl: publicUrlNow,
    log,
    onReceived: (way, kind) => metrics.reported(way, kind, 1),
  });
  const webhooksIn = createWebhooksIn({
    reporting: destinations,
    accept,
    replays: stores.replays,
    clock,
    country: catalog.group.defaultCountry,
    log,
    blamesSender: inbound.blamesSender,
    onReceived: metrics.reported,
  });

  // ---- the web

  const pages = await createPages({
    catalog,
    folders: {
      views: path.join(ROOT, 'views'),
      locales: path.join(ROOT, 'locales'),
      assets: path.join(ROOT, 'public'),
    },
    rightsPath: '/rights',
  });
  let stopping = false;
  let provenAt = Number.NEGATIVE_INFINITY;
  const node = `${process.pid}`;

  async function readiness() {
    const checks: Record<string, string> = {};
    if (stopping) checks.process = 'is shutting down';
    if (performance.now() - provenAt > READY_MS) {
      try {
        if (journal) await journal.replay(accept.append);
        await provesDurable(stores.connection, node);
        provenAt = performance.now();
      } catch {
        checks.store = 'does not confirm durable writes';
      }
    }
    if (Math.abs(skew) >= MAX_SKEW_MS) {
      checks.clock = `differs from the database's by ${Math.round(Math.abs(skew))} ms; set both by NTP`;
    }
    const missing = keyWatch.missing();
    if (missing.length > 0) {
      checks.keys = `lacks root ${missing.join(', ')}; add it to HUSH_SECRETS_FILE and restart`;
    }
    return { ready: Object.keys(checks).length === 0, checks };
  }

  const addresses = { of: (_request: { socket: unknown }): string => '' };
  const clientAddress = (request: Request) => addresses.of(request);
  const limits = createLimits({
    redis: queue.redis,
    namespace,
    limits: options.limits ?? LIMITS,
    clientAddress,
    onRefused: metrics.refused,
  });
  const bodies = createBodyBudget({ budget: BODY_BUDGET, clientAddress, onRefused: metrics.refused });
  const evidenceOf = (request: Request): Record<string, string> => ({
    ip: clientAddress(request),
    userAgent: (request.get('user-agent') ?? '').slice(0, 200),
  });
  const authenticate = createAuthenticate({ apiKeys, badKey: limits.badKey });
  const api = createApi({
    authenticate,
    stores,
    accept,
    decisions: decisions,
    links,
    consents,
    receipts,
    proofs: audit.proofs,
    consentReceipt: audit.consentReceipt,
    privateParts,
    suppressionExport,
    rights,
    sync,
    destinations,
    keyring,
    catalog,
    policy,
    clock,
    log,
    production,
    isStopping: () => stopping,
    onAcknowledged: (seconds) => metrics.acknowledged('api', seconds),
  });

  const acts = createActs({ accept, decisions: decisions, undo: createUndo({ contacts, ledger, persons, clock }) });
  const forPeople = {
    pages,
    links,
    results: createResults({ keyring, clock }),
    earlierStop: createEarlierStop({ decisions: decisions, ledger, clock }),
    decisions: decisions,
    catalog,
    clock,
    post,
    askerOf: (request: Request) => networkOf(clientAddress(request)),
    publicUrl: publicUrlNow,
    evidenceOf,
  };
  const previewErasure = createErasurePreview({ contacts, store: stores.requests, destinations });
  const approvals = createApprovals({ store: stores.staffApprovals, accept, contacts, keyring, clock });
  const staff = await createStaff({
    environment: environment.staff,
    files: { takerOf: () => rights.attachments.store, drop: rights.attachments.drop },
    production,
    folders: {
      views: path.join(ROOT, 'views'),
      locales: path.join(ROOT, 'locales'),
      assets: path.join(ROOT, 'public'),
    },
    baseCss: pages.css.path,
    keyring,
    clock,
    log,
    publicUrl: publicUrlNow,
    catalog,
    policy,
    stores,
    privateParts,
    accept,
    links,
    post,
    receipts,
    proofs: audit.proofs,
    exportJobs: audit.exportJobs,
    suppressionExport,
    destinations,
    reports: sync.reports,
    queue: queue.queue,
    countRefused: limits.badToken,
    followMs: options.sweepMs,
    onErased: rights.erasures.forget,
    requestsOf: rights.report.ofContacts,
    approvals,
    erasures: waitingErasures({ rights, preview: previewErasure }),
    requestFigures: {
      chart: async (groups) => requestChart(await rights.report.ages(), rights.report.dues, groups),
      late: rights.report.countLate,
      open: rights.report.countOpen,
    },
    extensions: [
      requestListPages({ rights, store: stores.requests, contacts, catalog, policy, keyring, clock }),
      requestPage({ rights, catalog, policy, previewErasure, approvals, clock }),
      requestActs({ rights, catalog, policy, approvals, clock }),
      requestPreviews({ rights, clock }),
      reviewPages({ review: inbound.review, clock }),
      letterPages({ letters, store: stores.letters, outbox: stores.outbox, rights, clock }),
      accessPackagePages({ packages: accessPackages, delivery: accessDelivery }),
    ],
  });
  counting.told = staff.synced;
  const operators = Router();
  operators.get('/metrics', async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.text());
  });

  const runsWeb = environment.role !== 'worker';
  const runsWorker = environment.role !== 'web';
  const forOperators = [
    ['/', healthRoutes({ readiness })],
    ['/', operators],
  ] as const;
  /** Counts a link that is not ours, unless only another process can say whether it is. */
  async function refuseToken(request: Request): Promise<void> {
    await keyWatch.requireKeys(keyIdsNamed(String(request.params.token ?? '')));
    await limits.badToken(request);
  }
  const forEverybody: Pick<AppParts, 'machines' | 'people'> = {
    machines: [
      ...forOperators,
      ['/', docsRoutes({ pages, document: () => api.document(publicUrl) })],
      ['/log', createLogRoutes({ stores: stores.log, signer: audit.signer, jwks: audit.jwks })],
      ['/v1', api.router],
      ...(staff.developmentProvider ? [staff.developmentProvider] : []),
      ['/hooks', createMailHook({ mailIn: inbound.mailIn, authenticate })],
      ...(inbound.textIn
        ? ([
            [
              '/hooks',
              createTextHook({
                textIn: inbound.textIn,
                authTokens: environment.inbound.smsAuthTokens,
                publicUrl: publicUrlNow,
              }),
            ],
          ] as const)
        : []),
      ['/hooks', destinationHooks({ webhooksIn, publicUrl: publicUrlNow, clientAddress, bodies })],
    ],
    people: [
      staff.router,
      misplacedOneClick({
        links,
        optOut: (link, evidence) => acts.optOut(link, 'one_click', evidence),
        evidenceOf,
        onAcknowledged: (seconds) => metrics.acknowledged('one_click', seconds),
        phone: catalog.group.phone,
      }),
      publicRoutes({
        ...forPeople,
        accept,
        consents,
        keyring,
        refuse: refuseToken,
        countForm: limits.form,
        countDenial: limits.denial,
      }),
      rightsPages({
        ...forPeople,
        rights,
        policy,
        bodies,
        admitsUpload: limits.admitsUpload,
        refuse: refuseToken,
        countForm: limits.form,
        countDenial: limits.denial,
        countUnread: limits.unread,
      }),
      accessPages({
        pages,
        delivery: accessDelivery,
        catalog,
        refuse: limits.badToken,
        countForm: limits.form,
      }),
      preferencePage({
        ...forPeople,
        acts,
        tickets,
        ledger,
        linkedContacts: createLinkedContacts({ contacts, persons, privateParts }),
        stopReasons: createStopReasons({ statistics: stores.statistics, tickets, keyring, clock }),
        policy,
        refuse: refuseToken,
        admitsAct: limits.admitsAct,
      }),
      ...(production || environment.smtpUrl !== undefined ? [] : [mailboxRoutes({ pages, mailbox: stores.mailbox })]),
    ],
  };
  const app = createApp({
    log,
    trustProxy: environment.trustProxy,
    production,
    // A worker answers its operators and nobody else.
    ...(runsWeb ? forEverybody : { machines: forOperators, people: [] }),
    problems: problems({
      log,
      isMachine: (request) => isMachinePath(request.path),
      page: (...args) => pages.fault(...args),
    }),
  });
  addresses.of = clientAddressOf(app) as typeof addresses.of;
  const oneClick = createOneClick({
    read: (token) => links.read(token, clock.now()),
    optOut: (link, evidence) => acts.optOut(link, 'one_click', evidence),
    page: app,
    onAcknowledged: (seconds) => metrics.acknowledged('one_click', seconds),
    onFault: (error) => log.error({ err: error }, 'one-click failed'),
    phone: catalog.group.phone,
    clientAddress: (request) => addresses.of(request),
  });
  const web = createWebServer(
    runsWeb ? oneClick : () => false,
    app,
    (error) => log.error({ err: error }, 'a request failed before its route'),
    options.patience,
  );

  const scheduler = createScheduler({
    log,
    everyMs: TASKS_MS,
    tasks: {
      letters: letters.finish,
      access: accessPackages.work,
      accessSweep: accessDelivery.sweep,
      exports: audit.exportJobs.work,
      retention: audit.retention,
    },
  });
  let clockTimer: NodeJS.Timeout | undefined;

  return {
    catalog,
    policy,
    clock,
    log,
    stores,
    accept,
    decisions: decisions,
    languageOf,
    links,
    receipts,
    projection,
    projector,
    outbox,
    inbound,
    sealing: audit.sealing,
    signer: audit.signer,
    sweeper: sync.sweeper,
    evaluation: sync.evaluation,
    reconciling: sync.reconciling,
    webhooksOut: sync.webhooksOut,
    reports: sync.reports,
    feed,
    worker: sync.worker,
    destinations: sync.byName,
    configuration,
    staff,
    letters,
    rights,
    bodies,
    accessPackages,
    accessDelivery,
    exportJobs: audit.exportJobs,
    chores: scheduler,
    publicUrl: publicUrlNow,

    /** Starts the roles; resolves with the port of the web role (0 for a worker, which serves health and metrics only). */
    async start(): Promise<{ port: number }> {
      for (const warning of environment.warnings) log.warn(warning);
      if (environment.apiKey !== undefined) await apiKeys.ensure(environment.apiKey);
      await configurations.enforce(configuration);
      if (journal) await journal.replay(accept.append);
      clockTimer = setInterval(() => {
        void clockOffset(stores.connection)
          .then((offset) => {
            skew = offset;
            if (options.machineTime === undefined) clock.correct(offset);
          })
          .catch(() => undefined);
        if (journal) void journal.replay(accept.append).catch(() => undefined);
        void keyWatch.look().catch(() => undefined);
      }, 10_000);
      projection.start();
      const port = await web.listen(environment.port).catch((error: unknown) => {
        throw portError('PORT', environment.port, error);
      });
      if (runsWeb) {
        await inbound.listen().catch((error: unknown) => {
          throw portError('INBOUND_SMTP_PORT', environment.inbound.smtpPort ?? 0, error);
        });
      }
      if (publicUrl === '') publicUrl = `http://localhost:${port}`;
      if (runsWorker) {
        queue.work(sync.tell, Math.max(4, destinations.length));
        sync.start();
        audit.sealing.start();
        feed.start();
        outbox.start();
        staff.start();
        rights.watch.start();
        scheduler.start();
      }
      return { port };
    },

    /** Stops without one failed request: accept no more, finish, flush, close workers, then stores. */
    async stop(): Promise<void> {
      stopping = true;
      audit.exportJobs.stop();
      clearInterval(clockTimer);
      await Promise.all([web.drain(MAX_DRAIN_MS), inbound.stop()]);
      await projection.settle().catch(() => undefined);
      await projection.stop();
      if (runsWorker) {
        await Promise.all([
          sync.stop(),
          feed.stop(),
          outbox.stop(),
          staff.stop(),
          rights.watch.stop(),
          scheduler.stop(),
        ]);
        await audit.sealing.stop();
      }
      await queue.close();
      await Promise.all(destinations.map(({ destination }) => destination.close?.()));
      await transport.close();
      await journal?.close();
      await stores.close();
    },
  };
}

export type Installation = Awaited<ReturnType<typeof compose>>;
