import type { Logger } from 'pino';
import type { AliasGroupOf } from '../core/alias-group.js';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import { createForgetMail } from '../mail/forget.js';
import type { Accept } from '../preferences/accept.js';
import type { Links } from '../preferences/links.js';
import type { Post } from '../preferences/outgoing-mail.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Undo } from '../preferences/undo.js';
import type { Stores } from '../store/open.js';
import type { BoundDestination } from '../sync/destination.js';
import { createApprovals } from './approvals.js';
import { createAuditTrail } from './audit-trail.js';
import { createCalls } from './calls.js';
import { createFindCaller } from './find-caller.js';
import { createLedgerFollower } from './ledger-statistics.js';
import { createLiftNotice } from './lift-notice.js';
import { createPersonFiles } from './person.js';

/** What staff do on behalf of people, without its pages: calls, approvals, a person's file, the trail of who did what. */
export function createStaff(parts: {
  readonly stores: Stores;
  readonly accept: Accept;
  readonly undo: Undo;
  readonly links: Links;
  readonly post: Post;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly destinations: readonly BoundDestination[];
  readonly aliasGroupOf: AliasGroupOf;
  /** The system whose numbers callers give. */
  readonly customerSystem: string;
  readonly publicUrl: () => string;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
  /** Forgets what rights requests keep of contacts that were erased. */
  readonly forgetRequests: (keys: readonly Buffer[]) => Promise<void>;
  readonly sweepMs?: number | undefined;
}) {
  const { stores, keyring, clock, log } = parts;
  const { contacts, ledger } = stores;
  const follower = createLedgerFollower({
    ...parts,
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
      parts.forgetRequests,
    ],
    leader: stores.leaders.leaderFor('statistics'),
    logger: log,
    ...(parts.sweepMs === undefined ? {} : { intervalMs: parts.sweepMs }),
  });
  return {
    follower,
    trail: createAuditTrail({ store: stores.trail, keyring, clock }),
    files: createPersonFiles({ ...parts, ledger }),
    find: createFindCaller({ ...parts, contacts, persons: stores.persons, lookup: stores.staffLookup }),
    calls: createCalls({ ...parts, store: stores.staffCalls }),
    notify: createLiftNotice(parts),
    approvals: createApprovals({ ...parts, store: stores.staffApprovals, contacts }),
  };
}

export type Staff = ReturnType<typeof createStaff>;
