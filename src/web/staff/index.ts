import type { Request } from 'express';
import type { Logger } from 'pino';
import type { ExportJobs } from '../../audit/export-job.js';
import type { Proofs } from '../../audit/proofs.js';
import type { StaffEnvironment } from '../../config/environment.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import type { InboundReview } from '../../inbound/review.js';
import type { Receipts } from '../../preferences/receipts.js';
import type { Queues } from '../../queues.js';
import type { Rights } from '../../rights/index.js';
import type { Staff } from '../../staff/index.js';
import type { Stores } from '../../store/open.js';
import type { SuppressionExport } from '../../suppression/export.js';
import type { DestinationReports } from '../../sync/destination-report.js';
import { accessPackagePages } from './access.js';
import { approvalPages } from './approvals.js';
import { auditPages } from './audit.js';
import { callPages } from './call.js';
import { callsPages } from './calls.js';
import { createStaffConsole, type StaffConsole } from './console.js';
import { destinationPages } from './destinations.js';
import { exportPages } from './exports.js';
import { letterPages } from './letters.js';
import { liftPages } from './lifts.js';
import { overviewPage } from './overview.js';
import { peoplePages } from './people.js';
import { queueBoard } from './queue-board.js';
import { receiptPages } from './receipts.js';
import { requestActs } from './request-acts.js';
import { requestChart } from './request-chart.js';
import { requestListPages } from './request-list.js';
import { newRequestPages } from './request-new.js';
import { requestPage } from './request-page.js';
import { requestPreviews } from './request-preview.js';
import { reviewPages } from './review.js';
import { waitingErasures } from './waiting-erasures.js';

/** The staff console with all its pages, in the order of the bar on top. */
export async function createConsole(parts: {
  readonly staffEnvironment: StaffEnvironment;
  readonly production: boolean;
  readonly folders: { readonly views: string; readonly locales: string; readonly assets: string };
  /** Path of the recipients’ stylesheet, whose tokens the console uses. */
  readonly baseCss: string;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicUrl: () => string;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly stores: Stores;
  readonly staff: Staff;
  readonly rights: Rights;
  readonly receipts: Receipts;
  readonly proofs: Proofs;
  readonly exportJobs: ExportJobs;
  readonly suppressionExport: SuppressionExport;
  readonly review: InboundReview;
  readonly reports: DestinationReports;
  readonly queues: Queues['queues'];
  /** Counts a sign-in that was refused; throws when there were too many from one network. */
  readonly countRefused: (request: Request) => Promise<void>;
}): Promise<StaffConsole> {
  const { stores, staff, rights, keyring, clock, catalog, policy, publicUrl } = parts;
  const { report, previewErasure } = rights;
  const { contacts, ledger } = stores;
  return createStaffConsole({
    ...parts,
    environment: parts.staffEnvironment,
    files: { takerOf: () => rights.attachments.store, drop: rights.attachments.drop },
    sessions: stores.staffSessions,
    drafts: stores.staffDrafts,
    trail: staff.trail,
    extensions: [
      overviewPage({
        ...staff,
        statistics: stores.statistics,
        reports: parts.reports,
        requests: {
          chart: async (groups) => requestChart(await report.ages(), report.dues, groups),
          late: report.countLate,
          open: report.countOpen,
        },
        catalog,
        clock,
      }),
      callPages({ ...staff, catalog, clock }),
      callsPages({ ...staff, ledger, catalog, clock }),
      peoplePages({ ...staff, catalog, clock, requestsOf: report.ofContacts }),
      liftPages({ ...staff, catalog, clock }),
      approvalPages({ ...staff, erasures: waitingErasures({ rights, preview: previewErasure }), catalog, clock }),
      requestListPages({ rights, store: stores.requests, catalog, policy, keyring, clock }),
      newRequestPages({ rights, contacts, catalog, clock }),
      requestPage({ rights, catalog, policy, previewErasure, approvals: staff.approvals, clock }),
      requestActs({ rights, catalog, policy, approvals: staff.approvals, clock }),
      requestPreviews({ rights, clock }),
      reviewPages({ review: parts.review, clock }),
      letterPages({ letters: rights.letters, store: stores.letters, outbox: stores.outbox, rights, clock }),
      accessPackagePages({ packages: rights.accessPackages, delivery: rights.accessDelivery }),
      exportPages({ approvals: staff.approvals, suppressionExport: parts.suppressionExport, catalog }),
      receiptPages({ receipts: parts.receipts, proofs: parts.proofs, files: staff.files, catalog, publicUrl }),
      destinationPages({ reports: parts.reports }),
      auditPages({
        trail: staff.trail,
        log: stores.log,
        jobs: parts.exportJobs,
        keepMonths: policy.auditTrailMonths,
      }),
      queueBoard(parts.queues),
    ],
  });
}
