import type { Request, Router } from 'express';
import type { Logger } from 'pino';
import type { ExportJobs } from '../../audit/export-job.js';
import type { Proofs } from '../../audit/proofs.js';
import type { StaffEnvironment } from '../../config/environment.js';
import { createAliasGroups } from '../../core/alias-group.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { createForgetMail } from '../../mail/forget.js';
import type { Accept } from '../../preferences/accept.js';
import type { Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import type { Receipts } from '../../preferences/receipts.js';
import { createUndo } from '../../preferences/undo.js';
import type { WakeupQueue } from '../../queue.js';
import type { Approvals } from '../../staff/approvals.js';
import { type AuditTrail, createAuditTrail } from '../../staff/audit-trail.js';
import { createCalls } from '../../staff/calls.js';
import { createFindCaller } from '../../staff/find-caller.js';
import { createLedgerFollower } from '../../staff/ledger-statistics.js';
import { createLiftNotice } from '../../staff/lift-notice.js';
import { createPersonFiles } from '../../staff/person.js';
import type { Stores } from '../../store/open.js';
import type { SuppressionExport } from '../../suppression/export.js';
import type { BoundDestination } from '../../sync/desired.js';
import type { DestinationReports } from '../../sync/destination-report.js';
import type { FormFiles } from '../multipart.js';
import { approvalPages, type WaitingErasures } from './approvals.js';
import { auditPages } from './audit.js';
import { callPages } from './call.js';
import { callsPages } from './calls.js';
import { createStaffConsole, type StaffExtension } from './console.js';
import { destinationPages } from './destinations.js';
import { exportPages } from './exports.js';
import { liftPages } from './lifts.js';
import { overviewPage, type RequestFigures } from './overview.js';
import { peoplePages, type RequestsOf } from './people.js';
import { queueBoard } from './queue-board.js';
import { receiptPages } from './receipts.js';
import type { StaffShell } from './shell.js';

export interface StaffParts {
  readonly environment: StaffEnvironment;
  /** Where the files go that staff attach to requests. */
  readonly files: FormFiles;
  readonly production: boolean;
  readonly folders: { readonly views: string; readonly locales: string; readonly assets: string };
  /** Path of the recipients' stylesheet, whose tokens the console uses. */
  readonly baseCss: string;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicUrl: () => string;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly stores: Stores;
  readonly privateParts: PrivateParts;
  readonly accept: Accept;
  readonly links: Links;
  readonly post: Post;
  readonly receipts: Receipts;
  readonly approvals: Approvals;
  readonly proofs: Proofs;
  readonly exportJobs: ExportJobs;
  readonly suppressionExport: SuppressionExport;
  readonly destinations: readonly BoundDestination[];
  readonly reports: DestinationReports;
  readonly queue: WakeupQueue['queue'];
  readonly countRefused: (request: Request) => Promise<void>;
  /** ms between looks at the ledger. */
  readonly followMs?: number | undefined;
  /** Rights requests of contacts, for the person's page. */
  readonly requestsOf?: RequestsOf;
  /** Erasures that a second person approves. */
  readonly erasures?: WaitingErasures;
  /** Rights requests in figures, for the overview. */
  readonly requestFigures?: RequestFigures;
  /** Told of contacts that were erased. */
  readonly onErased?: (keys: readonly Buffer[]) => Promise<void>;
  /** Further pages, such as those of rights requests, in the order of the bar on top. */
  readonly extensions?: readonly StaffExtension[];
}

export interface Staff {
  /** The console, with its paths in full (`/staff/…`). Wants the urlencoded body. */
  readonly router: Router;
  /** `/dev/idp` and its router; undefined in production and where a provider is set. Goes before the body parser. */
  readonly developmentProvider: readonly [path: string, router: Router] | undefined;
  readonly routes: StaffShell['routes'];
  readonly trail: AuditTrail;
  /** Counts how long (s) it took until a destination knew. */
  readonly synced: (destination: string, seconds: readonly number[]) => void;
  /** Counters and the index by name follow the ledger, in the worker. */
  readonly follow: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

/** The staff console with all its parts. */
export async function createStaff(parts: StaffParts): Promise<Staff> {
  const { stores, keyring, clock, log, catalog, policy, privateParts, accept, links, publicUrl, destinations } = parts;
  const { approvals } = parts;
  const { contacts, ledger, persons } = stores;
  const trail = createAuditTrail({ store: stores.trail, keyring, clock });
  const files = createPersonFiles({ ledger, privateParts, catalog, policy, destinations, clock });
  const find = createFindCaller({
    contacts,
    persons,
    lookup: stores.staffLookup,
    privateParts,
    keyring,
    catalog,
    aliasGroupOf: createAliasGroups(keyring, policy.mailboxes),
    customerSystem: parts.environment.customerSystem,
  });
  const calls = createCalls({
    accept,
    undo: createUndo({ contacts, ledger, persons, clock }),
    store: stores.staffCalls,
    links,
    post: parts.post,
    catalog,
    keyring,
    clock,
    publicUrl,
    log,
  });
  const notify = createLiftNotice({ post: parts.post, privateParts, catalog, publicUrl, log });
  const follower = createLedgerFollower({
    log: stores.log,
    contacts,
    statistics: stores.statistics,
    lookup: stores.staffLookup,
    approvals: stores.staffApprovals,
    trail: stores.trail,
    forget: [
      stores.letters.forget,
      (erased) => stores.accessPackages.forget(erased),
      stores.inboundReview.forgetAll,
      stores.tickets.forget,
      createForgetMail({ outbox: stores.outbox, mailbox: stores.mailbox, keyring }),
      ...(parts.onErased ? [parts.onErased] : []),
    ],
    privateParts,
    keyring,
    leader: stores.leaders.leaderFor('statistics'),
    clock,
    logger: log,
    ...(parts.followMs === undefined ? {} : { intervalMs: parts.followMs }),
  });

  const { router, developmentProvider, routes } = await createStaffConsole({
    environment: parts.environment,
    files: parts.files,
    production: parts.production,
    folders: parts.folders,
    baseCss: parts.baseCss,
    keyring,
    clock,
    log,
    publicUrl,
    sessions: stores.staffSessions,
    drafts: stores.staffDrafts,
    trail,
    countRefused: parts.countRefused,
    extensions: [
      overviewPage({
        statistics: stores.statistics,
        reports: parts.reports,
        calls,
        approvals,
        requests: parts.requestFigures,
        catalog,
        clock,
      }),
      callPages({ find, calls, files, catalog, clock }),
      callsPages({ calls, find, files, ledger, catalog, clock }),
      peoplePages({ find, files, catalog, clock, requestsOf: parts.requestsOf ?? (async () => []) }),
      liftPages({ approvals, find, files, catalog, clock }),
      approvalPages({ approvals, notify, erasures: parts.erasures, find, files, catalog, clock }),
      ...(parts.extensions ?? []),
      exportPages({ approvals, suppressionExport: parts.suppressionExport, catalog }),
      receiptPages({ receipts: parts.receipts, proofs: parts.proofs, files, catalog, publicUrl }),
      destinationPages({ reports: parts.reports }),
      auditPages({ trail, log: stores.log, jobs: parts.exportJobs, keepMonths: policy.auditTrailMonths }),
      queueBoard(parts.queue),
    ],
  });

  return {
    router,
    developmentProvider,
    routes,
    trail,
    synced: follower.synced,
    follow: follower.once,
    start: follower.start,
    stop: follower.stop,
  };
}
