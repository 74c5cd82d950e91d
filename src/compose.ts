import path from 'node:path';
import { createAudit } from './audit/index.js';
import { type FoundationOptions, type InstalledEnvironment, openFoundation } from './foundation.js';
import { createInbound } from './inbound/index.js';
import { createWebhooksIn } from './inbound/webhooks.js';
import { createMail } from './mail/index.js';
import { createTransport } from './mail/transport.js';
import { createPreferences } from './preferences/index.js';
import { type Handler, type QueueName, syncQueue } from './queues.js';
import { createReadiness } from './readiness.js';
import { createRights } from './rights/index.js';
import { createScheduler } from './scheduler.js';
import { createStaff } from './staff/index.js';
import { portError } from './start-up.js';
import { createChangeFeed } from './suppression/change-feed.js';
import { createSync } from './sync/index.js';
import type { WorkerTimes } from './sync/task.js';
import { createWeb } from './web/index.js';
import type { Limits } from './web/middleware/limits.js';
import type { Patience } from './web/server.js';

/** What a test may set otherwise than an operator. */
export interface ComposeOptions extends FoundationOptions {
  readonly limits?: Limits;
  readonly workerTimes?: Partial<WorkerTimes>;
  readonly patience?: Partial<Patience>;
  /** Contacts of one question from which on the decision index is asked. */
  readonly indexFrom?: number;
  /** ms; what was synced later than this before a comparison is not compared. */
  readonly settling?: number;
}

const MAX_DRAIN_MS = 15_000;
/** How often (ms) letters, access packages and the like are looked after: nobody waits for them with a page open. */
const TASKS_MS = 5000;

/** Builds an installation and joins its parts: the only place that knows every one. Stores must be reachable. */
export async function compose(environment: InstalledEnvironment, options: ComposeOptions = {}) {
  const base = await openFoundation(environment, options);
  const { stores, destinations, metrics, keyWatch, queues, country, clock, machine, log } = base;
  const preferences = await createPreferences({ ...base, indexFrom: options.indexFrom });
  const readiness = await createReadiness(base, {
    replayJournal: preferences.replayJournal,
    checkJournal: preferences.journal?.check,
    isRedisUp: queues.isUp,
    correctClock: options.machineTime === undefined,
  });
  const { smtpUrl } = environment;
  const transport = createTransport({ smtpUrl, mailbox: stores.mailbox, now: clock.now, machine });
  const mail = await createMail(base, { ...preferences, transport });
  const rights = createRights({ ...base, ...preferences, ...mail, onAlert: metrics.alerted });
  const audit = createAudit({
    ...base,
    publicUrl: environment.publicUrl ?? 'http://hush.localhost',
    witnesses: environment.witnesses,
  });
  const staff = createStaff({
    ...base,
    ...preferences,
    post: mail.post,
    customerSystem: environment.staff.customerSystem,
    forgetRequests: rights.erasures.forget,
  });
  const feed = createChangeFeed({
    changes: stores.changes,
    contacts: stores.contacts,
    leader: stores.leaders.leaderFor('feed'),
    machine,
    log,
  });
  const sync = createSync({
    ...base,
    ...preferences,
    publicOnly: base.production,
    forget: audit.forget,
    onSynced(destination, seconds) {
      metrics.synced(destination, seconds);
      staff.follower.synced(destination, seconds);
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
    ...base,
    ...preferences,
    ...mail,
    environment: environment.inbound,
    files: {
      bounceRules: path.join(environment.configDir, 'bounce-rules.yaml'),
      textWords: path.join(environment.configDir, 'text-words.yaml'),
    },
    requireKeys: () => keyWatch.requireKeys(),
    onReceived: (way, kind) => metrics.reported(way, kind, 1),
  });
  const webhooksIn = createWebhooksIn({
    reporting: destinations,
    accept: preferences.accept,
    replays: stores.replays,
    clock,
    country,
    log,
    blamesSender: inbound.blamesSender,
    onReceived: metrics.reported,
  });
  /** Work by the name of its queue. Each of it is also done by a loop, for jobs that were lost. */
  const handlers = new Map<QueueName, Handler>([
    ...destinations.map(({ name }): [QueueName, Handler] => [syncQueue(name), (report) => sync.syncDue(name, report)]),
    ['evaluation', sync.evaluation.once],
    ['reconcile', sync.reconciling.once],
    ['mail', mail.outbox.settle],
    ['access-package', rights.accessPackages.work],
    ['export', audit.exportJobs.work],
  ]);
  const { limits, patience } = options;
  const web = await createWeb({
    base,
    preferences,
    mail,
    rights,
    audit,
    staff,
    sync,
    inbound,
    webhooksIn,
    readiness,
    limits,
    patience,
  });
  const scheduler = createScheduler({
    machine,
    log,
    everyMs: TASKS_MS,
    tasks: {
      letters: rights.letters.finish,
      access: rights.accessPackages.work,
      accessSweep: rights.accessDelivery.sweep,
      exports: audit.exportJobs.work,
      retention: audit.retention,
    },
  });
  const { projection } = preferences;
  const { outbox } = mail;
  const runsWeb = environment.role !== 'worker';
  const runsWorker = environment.role !== 'web';
  /** What the worker role runs besides the queues and the sealer, in the order in which it starts. */
  const loops = [sync, feed, outbox, staff.follower, rights.watch, scheduler];

  return {
    ...base,
    ...preferences,
    ...mail,
    ...audit,
    ...sync,
    /** Destinations by name. */
    destinations: sync.byName,
    inbound,
    feed,
    rights,
    letters: rights.letters,
    accessPackages: rights.accessPackages,
    accessDelivery: rights.accessDelivery,
    staff: { ...staff, routes: web.consoleRoutes },
    bodies: web.bodies,
    scheduler,

    /** Starts the roles; resolves with the port of the web role (0 for a worker, which serves health and metrics only). */
    async start(): Promise<{ port: number }> {
      for (const warning of environment.warnings) log.warn(warning);
      if (environment.apiKey !== undefined) await stores.apiKeys.ensure(environment.apiKey);
      await stores.configurations.enforce(base.configuration);
      await preferences.replayJournal();
      readiness.start();
      projection.start();
      const port = await web.server.listen(environment.port).catch((error: unknown) => {
        throw portError('PORT', environment.port, error);
      });
      if (runsWeb) {
        await inbound.listen().catch((error: unknown) => {
          throw portError('INBOUND_SMTP_PORT', environment.inbound.smtpPort ?? 0, error);
        });
      }
      base.listensOn(port);
      if (runsWeb && environment.decisionIndex) base.decisionIndex.start();
      if (runsWorker) {
        queues.work(handlers);
        queues.add('evaluation');
        audit.sealing.start();
        for (const loop of loops) loop.start();
      }
      return { port };
    },

    /** Stops without one failed request: accept no more, finish, flush, close workers, then stores. */
    async stop(): Promise<void> {
      readiness.stop();
      audit.exportJobs.stop();
      await Promise.all([web.server.drain(MAX_DRAIN_MS), inbound.stop()]);
      base.decisionIndex.stop();
      await projection.settle().catch(() => undefined);
      await projection.stop();
      if (runsWorker) {
        await Promise.all(loops.map((loop) => loop.stop()));
        await audit.sealing.stop();
      }
      await queues.close();
      await Promise.all(destinations.map(({ destination }) => destination.close?.()));
      await mail.transport.close();
      await preferences.journal?.close();
      await stores.close();
    },
  };
}

/** An installation with all its parts. */
export type Installation = Awaited<ReturnType<typeof compose>>;
