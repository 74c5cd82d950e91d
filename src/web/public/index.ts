import type { Request, Router } from 'express';
import { networkOf } from '../../core/ip-address.js';
import type { Foundation } from '../../foundation.js';
import type { Mail } from '../../mail/index.js';
import type { Consents } from '../../preferences/consents.js';
import { createEarlierStop } from '../../preferences/earlier-stop.js';
import type { Preferences } from '../../preferences/index.js';
import { createLinkedContacts } from '../../preferences/linked-contacts.js';
import { createStopReasons } from '../../preferences/stop-reasons.js';
import type { Rights } from '../../rights/index.js';
import type { Bodies } from '../middleware/body-budget.js';
import type { RateLimits } from '../middleware/limits.js';
import { accessPages } from './access.js';
import type { Acts } from './acts.js';
import { misplacedOneClick } from './misplaced-one-click.js';
import type { Pages } from './pages.js';
import { preferencePage } from './preference-page.js';
import { createResults } from './results.js';
import { rightsPages } from './rights.js';
import { publicRoutes } from './routes.js';

/** All pages for recipients, in the order in which they look at a path. */
export function publicPages(parts: {
  readonly base: Foundation;
  readonly preferences: Preferences;
  readonly mail: Pick<Mail, 'post'>;
  readonly rights: Rights;
  readonly pages: Pages;
  readonly acts: Acts;
  readonly consents: Consents;
  readonly limits: RateLimits;
  readonly bodies: Bodies;
  readonly clientAddress: (request: Request) => string;
  readonly evidenceOf: (request: Request) => Record<string, string>;
  /** Counts a token that was not ours; throws when there were too many from one network. */
  readonly refuse: (request: Request) => Promise<void>;
}): Router[] {
  const { base, preferences, mail, rights, pages, acts, limits, bodies, clientAddress, evidenceOf, refuse } = parts;
  const { stores, catalog, metrics, keyring, clock, machine } = base;
  const { contacts, ledger, persons, tickets } = stores;
  const shared = {
    ...base,
    ...preferences,
    pages,
    results: createResults({ keyring, clock, hasWord: pages.hasWord }),
    earlierStop: createEarlierStop({ decisions: preferences.decisions, ledger, clock, machine }),
    post: mail.post,
    askerOf: (request: Request) => networkOf(clientAddress(request)),
    evidenceOf,
    refuse,
    countForm: limits.form,
    countDenial: limits.denial,
  };
  return [
    misplacedOneClick({
      links: preferences.links,
      optOut: (link, evidence) => acts.optOut(link, 'one_click', evidence),
      evidenceOf,
      onAcknowledged: (seconds) => metrics.acknowledged('one_click', seconds),
      phone: catalog.group.phone,
    }),
    publicRoutes({ ...shared, consents: parts.consents }),
    rightsPages({ ...shared, rights, bodies, admitsUpload: limits.admitsUpload, countUnread: limits.unread }),
    accessPages({ ...shared, delivery: rights.accessDelivery, refuse: limits.badToken }),
    preferencePage({
      ...shared,
      acts,
      tickets,
      ledger,
      linkedContacts: createLinkedContacts({ ...base, contacts, persons }),
      stopReasons: createStopReasons({ statistics: stores.statistics, tickets, keyring, clock, machine }),
      admitsAct: limits.admitsAct,
    }),
  ];
}
