import { type Request, Router } from 'express';
import type { Logger } from 'pino';
import type { Proofs } from '../../audit/proofs.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { createAddressKeys } from '../../core/contact-keys.js';
import type { Keyring } from '../../core/keys.js';
import type { Machine } from '../../core/machine.js';
import type { Policy } from '../../core/policy.js';
import type { Accept } from '../../preferences/accept.js';
import type { Consents } from '../../preferences/consents.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { Subject } from '../../preferences/draft.js';
import type { Links } from '../../preferences/links.js';
import { createOpeningGuard } from '../../preferences/opening-guard.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import type { Receipt, Receipts } from '../../preferences/receipts.js';
import { createReplacement } from '../../preferences/replacement.js';
import type { Rights } from '../../rights/index.js';
import type { ApiKey } from '../../store/api-keys.js';
import type { Stores } from '../../store/open.js';
import { cursorText } from '../../suppression/change-entry.js';
import type { SuppressionExport } from '../../suppression/export.js';
import { createImports } from '../../suppression/import.js';
import { createScrub } from '../../suppression/scrub.js';
import type { BoundDestination } from '../../sync/destination.js';
import type { Sync } from '../../sync/index.js';
import { changeRoutes } from './changes.js';
import { consentRoutes } from './consents.js';
import { contactRoutes } from './contacts.js';
import { decisionRoutes } from './decisions.js';
import { destinationRoutes } from './destinations.js';
import { eventRoutes } from './events.js';
import { importRoutes } from './imports.js';
import { linkRoutes } from './links.js';
import { receiptRoutes } from './receipts.js';
import { createRequestReader } from './requests.js';
import { rightsRequestRoutes } from './rights-requests.js';
import { createApiRoutes } from './route.js';
import { scrubRoutes } from './scrub.js';
import { suppressionRoutes } from './suppressions.js';
import { webhookRoutes } from './webhooks.js';

/** `/v1`, for marketing systems, and its description. */
export function createApi(parts: {
  readonly authenticate: (request: Request) => Promise<ApiKey>;
  readonly stores: Stores;
  readonly accept: Accept;
  readonly decisions: Decisions;
  readonly links: Links;
  readonly consents: Consents;
  readonly receipts: Receipts;
  readonly proofs: Proofs;
  readonly consentReceipt: (receipt: Receipt) => Promise<string | undefined>;
  readonly privateParts: PrivateParts;
  readonly suppressionExport: SuppressionExport;
  readonly rights: Rights;
  readonly sync: Pick<Sync, 'reports' | 'webhooksOut'>;
  readonly destinations: readonly BoundDestination[];
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
  readonly production: boolean;
  readonly isStopping: () => boolean;
  /** Told how long (s) it took until events were acknowledged. */
  readonly onAcknowledged: (seconds: number) => void;
}) {
  const { stores, accept, decisions, links, consents, receipts, privateParts, rights, policy, clock, machine, log } =
    parts;
  const { contacts, changes } = stores;
  const addressKeys = createAddressKeys(parts.keyring, policy.mailboxes);
  const reader = createRequestReader({ catalog: parts.catalog, keyring: parts.keyring });

  async function subjectByKey(key: Buffer): Promise<Subject | undefined> {
    const contact = (await contacts.find([key], { type: 1 })).get(key.toString('hex'));
    return contact && { key, type: contact.type };
  }

  const router = Router();
  router.post('/events', (_request, response, next) => {
    const began = machine.elapsed();
    response.on('finish', () => {
      if (response.statusCode === 200) parts.onAcknowledged((machine.elapsed() - began) / 1000);
    });
    next();
  });

  const routes = createApiRoutes(router, parts.authenticate);
  decisionRoutes(routes, { decisions, reader, keys: addressKeys, machine });
  scrubRoutes(routes, {
    scrub: createScrub({ decisions, subjectOf: reader.decisionSubject, keys: addressKeys, machine }),
    reader,
    log,
  });
  const guard = createOpeningGuard({ decisions, keyring: parts.keyring, policy, clock });
  eventRoutes(routes, { accept, reader, writerIds: stores.writerIds, guard, clock, subjectByKey });
  importRoutes(routes, {
    imports: createImports({ store: stores.imports, accept, keyring: parts.keyring, clock, machine, log }),
    consents,
    guard,
    reader,
    subjectByKey,
    now: clock.now,
  });
  linkRoutes(routes, { links, reader });
  rightsRequestRoutes(routes, { rights, store: stores.requests, reader, subjectByKey, policy, clock });
  contactRoutes(routes, {
    decisions,
    reader,
    accept,
    privateParts,
    clock,
    replace: createReplacement({ accept, decisions, guard, keyring: parts.keyring, clock }),
    writerIds: stores.writerIds,
    subjectByKey,
  });
  consentRoutes(routes, { accept, consents, guard, reader, subjectByKey });
  receiptRoutes(routes, { receipts, proofs: parts.proofs, consentReceipt: parts.consentReceipt });
  suppressionRoutes(routes, {
    suppressionExport: parts.suppressionExport,
    reader,
    cursor: async () => cursorText(await changes.head()),
  });
  changeRoutes(routes, { changes, machine, isStopping: parts.isStopping });
  webhookRoutes(routes, {
    subscriptions: stores.webhookSubscriptions,
    webhooksOut: parts.sync.webhooksOut,
    changes,
    production: parts.production,
  });
  destinationRoutes(routes, {
    reports: parts.sync.reports,
    destinations: parts.destinations,
    configurations: stores.configurations,
    machine,
  });

  routes.refuseOtherMethods();
  return { router, document: routes.document };
}
