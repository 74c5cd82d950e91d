import type { Connection, Model } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { createAccessStore } from './access-packages.js';
import { createApiKeys } from './api-keys.js';
import { createAuditExports } from './audit-exports.js';
import { createTrailStore } from './audit-trail.js';
import { createChanges } from './changes.js';
import { createConfigurations } from './configurations.js';
import { DURABLE, withTimeout } from './connect.js';
import { createContacts } from './contacts.js';
import { createDestinationStates } from './destination-states.js';
import { createImportStore } from './imports.js';
import { createInboundReviewStore } from './inbound-review.js';
import { createInstallation } from './installation.js';
import { createLeaders } from './leader.js';
import { createLedger } from './ledger.js';
import { createLetterStore } from './letters.js';
import { createLogStores } from './log-stores.js';
import { createMailboxStore } from './mailbox.js';
import { createMigrations } from './migrations/index.js';
import { createOutboxStore } from './outbox.js';
import { createPersons } from './persons.js';
import { createReconciliations } from './reconciliations.js';
import { createReplays } from './replays.js';
import { createRequestFiles } from './request-files.js';
import { createRequestStore } from './requests.js';
import { createStaffApprovals } from './staff-approvals.js';
import { createStaffCalls } from './staff-calls.js';
import { createStaffDrafts } from './staff-drafts.js';
import { createStaffLookup } from './staff-lookup.js';
import { createStaffSessions } from './staff-sessions.js';
import { createStaffStatistics } from './staff-statistics.js';
import { createTickets } from './tickets.js';
import { createWebhookSubscriptions } from './webhook-subscriptions.js';
import { createWriterIds } from './writer-ids.js';

/** Makes what is missing of a collection: one command for it with all its indexes, each named after its fields. */
async function makeIndexes({ db, collection, schema }: Model<never>): Promise<void> {
  const indexes = schema
    .indexes()
    .map(([key, options]) => ({ ...options, key, name: Object.entries(key).flat().join('_') }));
  if (indexes.length > 0) await db.db?.command({ createIndexes: collection.collectionName, indexes });
}

/** Every collection of an installation, with its indexes made, over an open connection. */
export async function openStores(
  connection: Connection,
  machine: Machine,
  /** Pending events of a contact beyond which it counts as hot. */
  options: { readonly pendingLimit?: number } = {},
) {
  const ledger = createLedger(connection);
  const leaders = createLeaders(connection, machine);
  const stores = {
    contacts: createContacts(connection, machine, options.pendingLimit),
    ledger,
    persons: createPersons(connection, machine),
    writerIds: createWriterIds(connection, machine),
    states: createDestinationStates(connection),
    tickets: createTickets(connection),
    apiKeys: createApiKeys(connection, machine),
    outbox: createOutboxStore(connection),
    mailbox: createMailboxStore(connection),
    leaders,
    migrations: createMigrations(connection, leaders, machine),
    log: createLogStores(connection, ledger, machine),
    changes: createChanges(connection),
    replays: createReplays(connection),
    inboundReview: createInboundReviewStore(connection),
    reconciliations: createReconciliations(connection, machine),
    configurations: createConfigurations(connection, machine),
    installation: createInstallation(connection, machine),
    webhookSubscriptions: createWebhookSubscriptions(connection),
    trail: createTrailStore(connection),
    staffSessions: createStaffSessions(connection),
    staffCalls: createStaffCalls(connection),
    staffDrafts: createStaffDrafts(connection),
    staffApprovals: createStaffApprovals(connection),
    staffLookup: createStaffLookup(connection),
    statistics: createStaffStatistics(connection),
    letters: createLetterStore(connection),
    requests: createRequestStore(connection),
    requestFiles: createRequestFiles(connection),
    accessPackages: createAccessStore(connection),
    auditExports: createAuditExports(connection),
    imports: createImportStore(connection, machine),
  };
  const models: Model<never>[] = Object.values(stores).flatMap((store) => store.models as never);
  for (const model of models) await makeIndexes(model);
  return { ...stores, connection, close: () => connection.destroy() };
}

export type Stores = Awaited<ReturnType<typeof openStores>>;

/** Longest (ms) that the database is asked for its time: the later it answers, the less its answer says. */
const CLOCK_TIMEOUT_MS = 1500;

function databaseOf({ db }: Connection) {
  if (!db) throw new Error('the store is not connected');
  return db;
}

/** Milliseconds by which the database's clock is ahead of ours. Half of the way there and back is taken off. */
export async function clockOffset(connection: Connection, machine: Pick<Machine, 'now' | 'after'>): Promise<number> {
  const began = machine.now();
  const answer = await withTimeout(machine, databaseOf(connection).admin().command({ hello: 1 }), CLOCK_TIMEOUT_MS);
  const ended = machine.now();
  const theirs = answer?.localTime instanceof Date ? answer.localTime.getTime() : (began + ended) / 2;
  return theirs - (began + ended) / 2;
}

/** A write as durable as an opt-out's: it succeeds when opt-outs can be acknowledged. */
export async function provesDurable(
  connection: Connection,
  machine: Pick<Machine, 'after'>,
  node: string,
): Promise<void> {
  await withTimeout(
    machine,
    databaseOf(connection).command({
      update: 'readiness',
      updates: [{ q: { _id: node }, u: { $currentDate: { at: true } }, upsert: true }],
      writeConcern: DURABLE,
    }),
  );
}
