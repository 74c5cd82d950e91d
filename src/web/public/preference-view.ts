import type { Request, Response } from 'express';
import type { DenialAtom } from '../../core/atoms.js';
import { longDate } from '../../core/calendar.js';
import { type Catalog, say } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { maskContact } from '../../core/contact-point.js';
import { presentAt, type State } from '../../core/fold.js';
import { signalView } from '../../core/opt-out-signal.js';
import type { Policy } from '../../core/policy.js';
import { ALL_MARKETING, covers } from '../../core/scope.js';
import { standingDenials } from '../../core/standing.js';
import { factsAt } from '../../core/view.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { EarlierStop } from '../../preferences/earlier-stop.js';
import type { LinkedContacts } from '../../preferences/linked-contacts.js';
import { isOver, type Link, type Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { StopReasons } from '../../preferences/stop-reasons.js';
import type { Contact, StoredEvent } from '../../store/contacts.js';
import type { Ledger } from '../../store/ledger.js';
import type { Tickets } from '../../store/tickets.js';
import type { Acts } from './acts.js';
import type { PageContext } from './page-source.js';
import type { Pages } from './pages.js';
import { preferenceSections, type Section } from './preference-sections.js';
import { changedSince, type OpenedResult, type Results } from './results.js';
import { standingLines } from './standing-words.js';

export interface PreferencePageParts {
  readonly pages: Pages;
  readonly acts: Acts;
  readonly links: Links;
  readonly results: Results;
  readonly decisions: Decisions;
  readonly earlierStop: EarlierStop;
  readonly tickets: Tickets;
  readonly ledger: Ledger;
  readonly linkedContacts: LinkedContacts;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly post: Post;
  readonly publicUrl: () => string;
  /** The network of whoever asks. */
  readonly askerOf: (request: Request) => string;
  readonly evidenceOf: (request: Request) => Record<string, string>;
  /** Counts a token that was not ours; throws when there were too many from one network. */
  readonly refuse: (request: Request) => Promise<void>;
  readonly stopReasons: StopReasons;
  /** Counts an act of a link that does not deny; false when there were too many within a minute. */
  readonly admitsAct: (link: string) => Promise<boolean>;
}

/** The fields of a form as they were sent. */
export type FormBody = Readonly<Record<string, unknown>>;

/** The contact of a link as it is now, and the pauses of all marketing that are in force. */
export interface ContactView {
  readonly state: State;
  readonly contact: Contact | undefined;
  readonly country: string | undefined;
  readonly standing: readonly DenialAtom[];
  readonly pauses: readonly DenialAtom[];
}

/** What an act came to, in the words of one language. */
export interface ResultWords {
  readonly lines: readonly string[];
  readonly receipts: readonly string[];
  readonly refused: readonly string[];
  readonly undo: string | undefined;
  readonly good: boolean;
  readonly why: ReturnType<Pages['whyWords']>;
}

/** In the list of what a link could not switch on: the end of a pause. */
export const PAUSE_NAME = 'pause';

export function pausesAll({ type, scope }: DenialAtom, brand: string): boolean {
  return type === 'paused' && covers(scope, { ...ALL_MARKETING, brand });
}

/** Everything recorded of the contact, the events that are not numbered yet included. */
export async function historyOf(
  { ledger }: Pick<PreferencePageParts, 'ledger'>,
  { contact }: Pick<ContactView, 'contact'>,
): Promise<StoredEvent[]> {
  if (!contact) return [];
  return [...(await ledger.ofContact(contact.key)).map(({ event }) => event), ...contact.pending];
}

export async function viewOf(parts: PreferencePageParts, link: Link): Promise<ContactView> {
  const { contact, state } = await parts.decisions.present(link);
  const standing = standingDenials(state, presentAt(state, parts.clock.now()));
  return {
    state,
    contact,
    country: contact?.country ?? link.point.country,
    standing,
    pauses: standing.filter((denial) => pausesAll(denial, link.brand.id)),
  };
}

/** The switches as they are under a pause of everything: what was chosen is kept, and counts again when it ends. */
export function sectionsFor(
  { pages, catalog, policy, clock }: PreferencePageParts,
  page: PageContext,
  link: Link,
  { state, country, pauses }: ContactView,
): Section[] {
  const paused = new Set(pauses.map(({ id }) => id));
  return preferenceSections({
    catalog,
    policy,
    brand: link.brand,
    about: link.scope,
    state: { ...state, atoms: state.atoms.filter((atom) => atom.t !== 'denial' || !paused.has(atom.id)) },
    country,
    now: clock.now(),
    page,
    byWords: (channel) => pages.byWords(page.t, channel),
  });
}

/** Says nothing of what the person gets, and so stays true. */
export const LINK_SENT = 'preferences.freshSent';

/** True when the choices changed after the act, so that its words may be wrong. Reads the contact only where they can be. */
export async function isOutdated(
  result: OpenedResult,
  readView: () => Promise<Pick<ContactView, 'state'>>,
): Promise<boolean> {
  return result.lines[0]?.key !== LINK_SENT && changedSince(result, (await readView()).state);
}

/** A result in words, or that it is outdated; what could not be switched on is named as the page names it. */
export function resultWords(
  { pages, catalog }: Pick<PreferencePageParts, 'pages' | 'catalog'>,
  page: PageContext,
  result: OpenedResult,
  { outdated, labels = new Map() }: { readonly outdated: boolean; readonly labels?: ReadonlyMap<string, string> },
): ResultWords {
  const { t, language } = page;
  if (outdated) {
    const { receipts } = result;
    return {
      lines: [t('preferences.changedSince')],
      receipts,
      refused: [],
      undo: undefined,
      good: false,
      why: undefined,
    };
  }
  const lines = result.lines.map(({ key, date, address }) =>
    t(key, { ...(date === undefined ? {} : { date: longDate(language, date) }), address }),
  );
  return {
    lines: [...lines, ...standingLines(page, catalog, result.standing, (channel) => pages.byWords(t, channel))],
    receipts: result.receipts,
    refused: result.refused.flatMap((name) => labels.get(name) ?? []),
    undo: result.undo === 0 ? undefined : result.receipts.slice(0, result.undo).join(' '),
    good: result.good,
    why: pages.whyWords(page, result),
  };
}

/** A session token proves that a fresh link of this very contact was used; it ends when the link would have. */
export function sessionOf({ links, clock }: PreferencePageParts, link: Link, token: unknown): string | undefined {
  if (typeof token !== 'string') return undefined;
  const session = links.read(token, clock.now());
  return session?.kind === 'session' && session.key.equals(link.key) ? token : undefined;
}

/** The page of a link that is used up or over: a new one in one press, and what denies as ever. */
export function showSpent(
  { pages, clock }: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
  said?: ResultWords,
): void {
  const { language } = pages.context(request);
  pages.send(request, response, said ? 200 : 410, 'spent', link.brand, {
    over: isOver(link, clock.now()),
    byMail: link.point.type === 'email',
    masked: maskContact(link.point),
    said,
    session: undefined,
    action: `/p/${link.token}?lang=${language}`,
  });
}

export const sendsSignal = (request: Request): boolean => request.get('sec-gpc') === '1';

/** What the page says of an opt-out signal: what it did, what stands besides, and once the question which of two counts. */
function signalWords(
  { catalog, policy, clock }: PreferencePageParts,
  request: Request,
  { t, language }: PageContext,
  { state }: ContactView,
) {
  const { isInForce, consents, isOpen, endedConsentAt } = signalView(state, presentAt(state, clock.now()), policy);
  const agreed = consents.map(({ scope: { purpose }, at }) => ({
    at,
    what:
      purpose === '*' || purpose === 'marketing'
        ? t('standing.marketing')
        : say(catalog.purposes[purpose].noun, language),
  }));
  const date = longDate(language, Math.max(...agreed.map(({ at }) => at), 0));
  const isAsked = isOpen && sendsSignal(request);
  return {
    lines: isInForce
      ? agreed.length > 0
        ? [t('preferences.gpcExcept', { date })]
        : [
            t('preferences.gpc'),
            ...(endedConsentAt === undefined
              ? []
              : [t('preferences.gpcEnded', { date: longDate(language, endedConsentAt) })]),
          ]
      : [],
    ask: isAsked
      ? { text: t('signal.text', { date }), agreed: [...new Set(agreed.map(({ what }) => what))] }
      : undefined,
  };
}

export async function showPreferences(
  parts: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
  options: {
    readonly view: ContactView;
    readonly result: OpenedResult | undefined;
    readonly session: string | undefined;
  },
): Promise<void> {
  const { pages } = parts;
  const { view, result } = options;
  const page = pages.context(request);
  const { t, language } = page;
  const sections = sectionsFor(parts, page, link, view);
  const labels = new Map(sections.flatMap(({ rows }) => rows.map(({ name, label }) => [name, label] as const)));
  labels.set(PAUSE_NAME, t('preferences.pauseEnd'));
  const facts = factsAt(view.state, presentAt(view.state, parts.clock.now()));
  const paused = view.pauses.reduce((latest, { until = 0 }) => Math.max(latest, until), 0);
  const stopped = await parts.earlierStop(link, ALL_MARKETING, view);
  pages.send(request, response, 200, 'preferences', link.brand, {
    shown: options.session ? link.point.given : maskContact(link.point),
    wholePerson: view.contact?.person !== undefined,
    linked: view.contact ? await parts.linkedContacts.masked(view.contact) : [],
    signal: signalWords(parts, request, page, view),
    pausedUntil: paused > 0 ? longDate(language, paused) : undefined,
    stoppedSince: stopped ? longDate(language, stopped.at) : undefined,
    languages: pages.languageNames(),
    // One that was stored is not changed by opening the page in another; without one the page's own is offered.
    written: facts.language ?? parts.catalog.languages[0],
    offered: facts.language ?? language,
    sections,
    session: options.session,
    said: result && resultWords(parts, page, result, { outdated: await isOutdated(result, async () => view), labels }),
    action: `/p/${link.token}?lang=${language}`,
  });
}
