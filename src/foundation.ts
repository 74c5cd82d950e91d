import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { configurationHash, readCatalog } from './config/catalog.js';
import type { Environment } from './config/environment.js';
import { readPolicy } from './config/policy.js';
import { fingerprintsOf } from './config/secrets.js';
import { AwayError } from './config/yaml-file.js';
import { createAliasGroups } from './core/alias-group.js';
import { createClock } from './core/clock.js';
import type { Machine } from './core/machine.js';
import { noteJournalOwner } from './journal-owner.js';
import { createKeyWatch } from './key-watch.js';
import { createLog } from './logger.js';
import { machine as thisMachine } from './machine.js';
import { createMetrics } from './metrics.js';
import { createDecisionIndex } from './preferences/decision-index.js';
import { createJournalDisk } from './preferences/journal-disk.js';
import { createPrivateParts } from './preferences/private-part.js';
import { checkRedis, createQueues } from './queues.js';
import { countLate, countOpen } from './rights/requests/report.js';
import { openCheckedStores, requireFolder } from './start-up.js';
import { setStoreTimeout } from './store/connect.js';
import { bindDestinations } from './sync/bind.js';
import { adapters } from './sync/destinations/index.js';
import { createHttp } from './sync/http.js';

/** The environment with both stores named, by the operator or by the embedded default. */
export type InstalledEnvironment = Environment & { readonly mongoUri: string; readonly redisUrl: string };

export interface FoundationOptions {
  /** Time, timers and chance; those of this process's own machine unless given. */
  readonly machine?: Machine;
  /** ms since 1970; the machine's clock unless given. Stamps and sweeps of the store go by the machine's all the same. */
  readonly machineTime?: () => number;
  /** ms; pause of the loops that look for what was left. */
  readonly sweepMs?: number;
  readonly log?: Logger;
}

/** Views, templates, words and styles beside the program, whether it runs from `src` or from `dist`. */
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = {
  views: path.join(ROOT, 'views'),
  locales: path.join(ROOT, 'locales'),
  assets: path.join(ROOT, 'public'),
  templates: path.join(ROOT, 'templates'),
};

/** The address that links are made with. Without `HUSH_PUBLIC_URL` it is known once the port is. */
function createPublicUrl(configured: string | undefined) {
  let url = configured ?? '';
  return {
    now: (): string => url,
    listensOn(port: number): void {
      if (url === '') url = `http://localhost:${port}`;
    },
  };
}

/**
 * What every part of an installation is built on: configuration, keys, stores, clock, queues and metrics.
 *
 * @throws ConfigError, one line, when something of it is wrong or cannot be reached
 */
export async function openFoundation(environment: InstalledEnvironment, options: FoundationOptions) {
  const { namespace } = environment;
  const machine = options.machine ?? thisMachine;
  const keyring = { ...environment.keyring, randomBytes: machine.randomBytes };
  const url = createPublicUrl(environment.publicUrl);
  const log = options.log ?? createLog(environment.logLevel);
  const catalog = readCatalog(path.join(environment.configDir, 'catalog.yaml'));
  const policy = readPolicy(path.join(environment.configDir, 'policy.yaml'));
  const clock = createClock(options.machineTime ?? machine.now);
  const http = createHttp({ now: clock.now });
  const destinations = bindDestinations(catalog, adapters, {
    http,
    now: clock.now,
    machine,
    dataDir: environment.dataDir,
  });

  const redisIsUp = await checkRedis(environment.redisUrl).then(
    () => true,
    (error: unknown) => {
      // In production it is waited for while all else goes on; in development the start fails at once.
      if (!environment.production || !(error instanceof AwayError)) throw error;
      log.error(error.message);
      return false;
    },
  );
  if (environment.journalDir !== undefined) await requireFolder('HUSH_JOURNAL_DIR', environment.journalDir, 0o700);
  if (destinations.some(({ adapter }) => adapter === 'file')) {
    await requireFolder('HUSH_DATA_DIR', environment.dataDir);
  }
  setStoreTimeout(environment.storeTimeoutMs);
  const { stores, installationId } = await openCheckedStores(environment, machine);
  // Read by a start that the database does not answer, which waits in production only.
  if (environment.production && environment.journalDir !== undefined) {
    await noteJournalOwner(environment.journalDir, { installation: installationId, secrets: fingerprintsOf(keyring) });
  }
  const keyWatch = createKeyWatch({ ours: fingerprintsOf(keyring), recorded: stores.installation.read, log, machine });
  await keyWatch.look();
  const queues = createQueues({
    url: environment.redisUrl,
    namespace,
    destinations: destinations.map(({ name }) => name),
    log,
    wasChecked: redisIsUp,
  });
  const metrics = createMetrics({
    destinations: destinations.map(({ name }) => name),
    waiting: stores.contacts.waiting,
    backlog: stores.contacts.backlog,
    missingKeys: () => keyWatch.missing().length,
    isRedisUp: () => queues.isUp(),
    requests: async () => ({
      open: await countOpen(stores.requests),
      late: await countLate(stores.requests, clock.now()),
    }),
    index: () => decisionIndex.status(),
    now: clock.now,
  });
  const decisionIndex = createDecisionIndex({
    contacts: stores.contacts,
    clock,
    machine,
    log,
    onChange: metrics.indexHeard,
  });

  return {
    environment,
    folders: FOLDERS,
    log,
    catalog,
    policy,
    /** Changes when a decision or a binding may come out otherwise. */
    configuration: configurationHash(catalog, policy),
    /** Of phone numbers without a country code. */
    country: catalog.group.defaultCountry,
    machine,
    clock,
    http,
    destinations,
    keyring,
    stores,
    installationId,
    /** Where opt-outs are kept while the store is unavailable. */
    journalDisk: environment.journalDir === undefined ? undefined : createJournalDisk(environment.journalDir),
    keyWatch,
    queues,
    metrics,
    decisionIndex,
    privateParts: createPrivateParts(keyring),
    aliasGroupOf: createAliasGroups(keyring, policy.mailboxes),
    production: environment.production,
    publicUrl: url.now,
    /** Says which port the web role has, for links of an installation whose address was left to us. */
    listensOn: url.listensOn,
    /** ms between looks of the background loops; undefined for their own pace. */
    sweepMs: options.sweepMs,
  };
}

export type Foundation = Awaited<ReturnType<typeof openFoundation>>;
