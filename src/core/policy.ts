import type { Hours } from './calendar.js';
import type { Channel, Purpose } from './scope.js';

/** How long an implied consent lasts, in calendar months from its event. */
export interface ImpliedMonths {
  readonly purchase: number;
  readonly inquiry: number;
}

/** Where consent is needed before anything is sent. */
export interface ConsentRule {
  /** ISO 3166 codes; a country matches its subdivisions; `*` matches all. */
  readonly jurisdictions: readonly string[];
  readonly channels: readonly (Channel | '*')[];
  readonly purposes: readonly (Purpose | 'marketing')[];
  /** Present where a purchase or inquiry stands in for consent for a while (CASL). */
  readonly implied?: ImpliedMonths;
  /** True where an opt-in without proof of a notice is enough. */
  readonly optInSuffices?: boolean;
}

export interface CallingHours extends Hours {
  readonly jurisdictions: readonly string[];
}

/** Spellings of one mailbox at some domains: they share their denials. */
export interface MailboxRule {
  /** Names of one and the same mail domain; `*` is any, each for itself. */
  readonly domains: readonly string[];
  /** `ignored` where dots before the @ make no difference. */
  readonly dots?: 'ignored';
  /** What begins a tag, such as `+`: it and what follows make no difference. */
  readonly tags?: string;
}

/** How long a request of a kind may take. */
export interface RequestClock {
  readonly jurisdictions: readonly string[];
  readonly answer: { readonly days?: number; readonly months?: number };
  readonly extension: { readonly days?: number; readonly months?: number };
  readonly acknowledgeBusinessDays: number;
  /** Days after receipt on which somebody is told that the deadline comes nearer; ascending. */
  readonly alertDays: readonly number[];
  /** IANA zone in which days are counted. */
  readonly timeZone: string;
}

/** The rules of law as data, from `config/policy.yaml`. */
export interface Policy {
  readonly defaultJurisdiction: string;
  readonly consent: readonly ConsentRule[];
  /** First match wins. */
  readonly callingHours: readonly CallingHours[];
  /** Zones that all count where a contact's own is unknown; first match wins. */
  readonly unknownZones: readonly { readonly jurisdictions: readonly string[]; readonly zones: readonly string[] }[];
  /** What opens a do-not-call registry listing besides consent: a business relationship (47 CFR 64.1200(f)(5)). */
  readonly registryRelationship: ImpliedMonths;
  /** Soft bounces turn hard after so many within so many days. */
  readonly softBounces: { readonly count: number; readonly days: number };
  /** Which spellings of a mailbox share denials; all that name a domain apply. */
  readonly mailboxes: readonly MailboxRule[];
  /** What an opt-out signal of a browser meets where the person consented after an earlier one. 11 CCR 7025(c)(3) */
  readonly optOutSignal: { readonly afterConsent: 'ask' | 'honour' };
  readonly requests: readonly RequestClock[];
  /** What somebody else has to approve before it is done. */
  readonly secondPerson: { readonly erasures: boolean };
  /** Calendar months for which the record of a request is kept after it was closed. */
  readonly requestRecordMonths: number;
  /** Calendar months for which it is kept who looked, changed and exported. */
  readonly auditTrailMonths: number;
  /** Days for which an export of the ledger can be fetched. */
  readonly auditExportDays: number;
  /** Days for which what was gathered for an access request is kept. */
  readonly accessPackageDays: number;
}

/** `CA` matches `CA` and `CA-ON`; `US-CA` matches only itself; `*` matches all. */
export function jurisdictionMatches(patterns: readonly string[], jurisdiction: string): boolean {
  return patterns.some(
    (pattern) => pattern === '*' || pattern === jurisdiction || jurisdiction.startsWith(`${pattern}-`),
  );
}
