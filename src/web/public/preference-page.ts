import { type Request, type Response, Router } from 'express';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { maskContact } from '../../core/contact-point.js';
import { standingDenials } from '../../core/decide.js';
import type { DenialAtom, State } from '../../core/fold.js';
import type { Policy } from '../../core/policy.js';
import { GPC_PURPOSES } from '../../core/scope.js';
import type { LinkedContacts } from '../../preferences/linked-contacts.js';
import { FRESH_FOR, LINK_QUOTA, type Link, type Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/post.js';
import type { Questions } from '../../preferences/questions.js';
import type { Ledger } from '../../store/ledger.js';
import type { Tickets } from '../../store/tickets.js';
import type { Acts } from './acts.js';
import { ownData } from './own-data.js';
import type { Pages } from './pages.js';
import { savingOf } from './preference-saving.js';
import { preferenceSections } from './preference-sections.js';
import { standingLines } from './standing-words.js';

/** What the page says after an act. */
interface Said {
  readonly lines: readonly string[];
  readonly receipts: readonly string[];
  readonly refused: readonly string[];
  readonly undo?: string | undefined;
}

export interface PreferencePageParts {
  readonly pages: Pages;
  readonly acts: Acts;
  readonly links: Links;
  readonly questions: Questions;
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
  /** Counts an act of a link that does not deny; false when there were too many within a minute. */
  readonly admitsAct: (link: string) => Promise<boolean>;
}

/** `/p/:token`: what may we send you. A mailed link may deny and take back its own acts; a fresh one may do everything. */
export function preferencePage(parts: PreferencePageParts): Router {
  const { pages, acts, links, questions, tickets, ledger, catalog, policy, clock, post } = parts;
  const router = Router();

  const dateWords = (language: string, at: number) =>
    new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' }).format(at);

  async function view(link: Link) {
    const { contact, state } = await questions.present(link);
    return { state, contact, country: contact?.country ?? link.point.country };
  }

  function sectionsFor(request: Request, link: Link, state: State, country: string | undefined) {
    const page = pages.context(request);
    return preferenceSections({
      catalog,
      policy,
      brand: link.brand,
      state,
      country,
      now: clock.now(),
      page,
      channelName: (channel) => pages.channelName(page.t, channel),
    });
  }

  async function show(
    request: Request,
    response: Response,
    link: Link,
    options: { said?: Said; session?: string } = {},
  ): Promise<void> {
    const { state, contact, country } = await view(link);
    const now = clock.now();
    const { language } = pages.context(request);
    const standing = standingDenials(state, now);
    const pause = standing
      .filter(({ type, scope }) => type === 'paused' && (scope.brand === '*' || scope.brand === link.brand.id))
      .reduce((latest, { until = 0 }) => Math.max(latest, until), 0);
    pages.send(request, response, 200, 'preferences', link.brand, {
      shown: options.session ? link.point.given : maskContact(link.point),
      wholePerson: contact?.person !== undefined,
      linked: contact ? await parts.linkedContacts.masked(contact) : [],
      gpc: standing.some(({ type }) => type === 'gpc_received'),
      pausedUntil: pause > 0 ? dateWords(language, pause) : undefined,
      sections: sectionsFor(request, link, state, country),
      session: options.session,
      said: options.said,
      action: `/p/${link.token}?lang=${language}`,
    });
  }

  /** Global Privacy Control: the one signal that a GET may record, because it only denies. 11 CCR 7025 */
  async function honourSignal(request: Request, link: Link): Promise<void> {
    if (request.method !== 'GET' || request.get('sec-gpc') !== '1') return;
    const { state } = await view(link);
    // One that was lifted since does not answer a signal that is sent again.
    if (standingDenials(state, clock.now()).some(({ type }) => type === 'gpc_received')) return;
    await acts.all([
      {
        subject: { point: link.point },
        type: 'gpc_received',
        source: { kind: 'link' },
        evidence: parts.evidenceOf(request),
      },
    ]);
  }

  /** The link of the request, or undefined after the helpful 404 was sent. */
  async function linkOf(request: Request, response: Response): Promise<Link | undefined> {
    const link = links.read(String(request.params.token), clock.now());
    if (link && (link.kind === 'mailed' || link.kind === 'fresh' || link.kind === 'undo')) return link;
    await parts.refuse(request);
    pages.missing(request, response);
    return undefined;
  }

  router.get('/p/:token', async (request, response) => {
    const link = await linkOf(request, response);
    if (!link) return;
    await honourSignal(request, link);
    const { language, t } = pages.context(request);
    const action = `/p/${link.token}?lang=${language}`;
    if (link.kind === 'undo') {
      const masked = maskContact(link.point);
      pages.send(request, response, 200, 'ask', link.brand, {
        title: t('undo.title'),
        heading: t('undo.heading'),
        text: t('undo.text'),
        masked,
        quote: undefined,
        action,
        act: 'undo',
        button: t('undo.button'),
        otherwise: undefined,
      });
      return;
    }
    if (link.kind === 'fresh') {
      const time = new Intl.DateTimeFormat(language, {
        timeStyle: 'short',
        timeZone: 'UTC',
        timeZoneName: undefined,
      }).format(link.expires ?? 0);
      const used = await tickets.isUsed(link.reference);
      pages.send(request, response, used ? 410 : 200, 'ask', link.brand, {
        title: t('fresh.title'),
        heading: t('fresh.heading'),
        text: used ? t('fresh.used') : t('fresh.text', { time: `${time} UTC` }),
        masked: undefined,
        quote: undefined,
        action: used ? `/preferences?lang=${language}` : action,
        act: used ? 'form' : 'open',
        button: used ? t('lost.title') : t('fresh.button'),
        otherwise: undefined,
      });
      return;
    }
    await show(request, response, link);
  });

  /** A session token proves that a fresh link of this very contact was used; it ends when the link would have. */
  function sessionOf(link: Link, given: unknown): string | undefined {
    if (typeof given !== 'string') return undefined;
    const session = links.read(given, clock.now());
    return session?.kind === 'session' && session.key.equals(link.key) ? given : undefined;
  }

  async function save(request: Request, link: Link, session: string | undefined): Promise<Said> {
    const body: Record<string, unknown> = request.body ?? {};
    const { t, language } = pages.context(request);
    const { state, contact, country } = await view(link);
    const rows = sectionsFor(request, link, state, country).flatMap((section) => section.rows);
    const linked = contact?.person !== undefined;
    const base = {
      subject: { point: link.point },
      source: { kind: 'link' as const, destination: link.tag },
      evidence: parts.evidenceOf(request),
      link: { brand: link.brand.id },
    };
    const proven = session !== undefined;
    const saving = savingOf(body, rows, base, { proven, linked, now: clock.now() });
    const { denying, others, refused, switchedOn, pausedUntil } = saving;
    // What denies counts, however often a link is used; the rest may wait a minute.
    const isAdmitted = others.length === 0 || (await parts.admitsAct(link.tag));
    const accepted = await acts.all([...denying, ...(isAdmitted ? others : [])]);
    const lines = [
      ...(pausedUntil === undefined ? [] : [t('preferences.paused', { date: dateWords(language, pausedUntil) })]),
      ...(isAdmitted ? [] : [t('preferences.tooMany')]),
      ...(isAdmitted && switchedOn && linked
        ? [t('preferences.onOnlyHere', { address: maskContact(link.point) })]
        : []),
    ];
    if (lines.length === 0) lines.push(accepted.length > 0 ? t('preferences.saved') : t('preferences.nothing'));
    const undo = accepted
      .slice(0, denying.length)
      .map(({ id }) => id)
      .join(' ');
    return { lines, receipts: accepted.map(({ id }) => id), refused, undo: undo === '' ? undefined : undo };
  }

  /** What came of an undo: what stands besides is said, so that nobody takes it for gone. */
  function undoneLines(request: Request, accepted: number, standing: readonly DenialAtom[]): string[] {
    const page = pages.context(request);
    const { t } = page;
    if (standing.length === 0) return [t(accepted > 0 ? 'preferences.undone' : 'undo.nothing')];
    const lines = standingLines(page, catalog, standing, (channel) => pages.channelName(t, channel));
    return [t(accepted > 0 ? 'undo.besides' : 'undo.kept'), ...lines];
  }

  /** All that is held about the contact, for itself. Only with a session. */
  async function download(request: Request, response: Response, link: Link): Promise<void> {
    const { state, contact } = await view(link);
    const history = contact ? await ledger.ofContact(contact.key) : [];
    const held = ownData({
      link,
      state,
      contact,
      events: [...history.map(({ event }) => event), ...(contact?.pending ?? [])],
      language: pages.context(request).language,
      now: clock.now(),
    });
    response
      .status(200)
      .set('Content-Disposition', 'attachment; filename="my-preferences.json"')
      .set('Cache-Control', 'no-store')
      .type('application/json')
      .send(JSON.stringify(held, null, 2));
  }

  async function sendFresh(request: Request, link: Link): Promise<void> {
    if (link.point.type !== 'email') return;
    const { language } = pages.context(request);
    const token = links.fresh(link.point, link.brand.id, clock.now());
    await post({
      id: `your-link:${token.slice(-24)}`,
      template: 'your-link',
      language,
      brand: link.brand.id,
      to: link.point.given,
      values: { link: `${parts.publicUrl()}/p/${token}?lang=${language}` },
      quota: { asker: parts.askerOf(request), ...LINK_QUOTA },
      until: clock.now() + FRESH_FOR,
    });
  }

  router.post('/p/:token', async (request, response) => {
    const link = await linkOf(request, response);
    if (!link) return;
    const { t, language } = pages.context(request);
    const body: Record<string, unknown> = request.body ?? {};
    const evidence = parts.evidenceOf(request);
    const given = sessionOf(link, body.session);
    const again = given ? { session: given } : {};
    switch (body.act) {
      case 'stop-all': {
        const { id } = await acts.stopAll(link, evidence);
        return show(request, response, link, {
          ...again,
          said: { lines: [t('preferences.stoppedAll')], receipts: [id], refused: [], undo: id },
        });
      }
      case 'undo': {
        const wanted =
          link.kind === 'undo'
            ? [link.reference]
            : String(body.undo ?? '')
                .split(' ')
                .slice(0, 20);
        const events = wanted.flatMap((text) => acts.eventOf(text) ?? []);
        if (!(await parts.admitsAct(link.tag))) {
          pages.message(request, response, 429, link.brand, {
            title: t('undo.title'),
            heading: t('undo.title'),
            text: t('preferences.tooMany'),
          });
          return;
        }
        const through = link.kind === 'undo' ? undefined : link.tag;
        const { accepted, standing } = await acts.undo(link, events, through, evidence);
        const [first = '', ...stands] = undoneLines(request, accepted.length, standing);
        if (link.kind === 'undo') {
          pages.message(request, response, 200, link.brand, {
            title: t('undo.title'),
            heading: first,
            text: stands.join(' '),
            good: accepted.length > 0,
            ways: standing.length > 0 ? [{ href: `/preferences?lang=${language}`, label: t('undo.choose') }] : [],
          });
          return;
        }
        return show(request, response, link, {
          ...again,
          said: { lines: [first, ...stands], receipts: accepted.map(({ id }) => id), refused: [] },
        });
      }
      case 'open': {
        if (link.kind !== 'fresh' || !(await tickets.useOnce(link.reference, link.expires ?? clock.now()))) {
          pages.message(request, response, 410, link.brand, {
            title: t('fresh.title'),
            heading: t('fresh.title'),
            text: t('fresh.used'),
          });
          return;
        }
        return show(request, response, link, { session: links.session(link, link.expires ?? clock.now()) });
      }
      case 'fresh':
        await sendFresh(request, link);
        return show(request, response, link, {
          said: { lines: [t('preferences.freshSent')], receipts: [], refused: [] },
        });
      case 'download':
        if (!given)
          return show(request, response, link, {
            said: { lines: [t('preferences.needsFresh')], receipts: [], refused: [] },
          });
        return download(request, response, link);
      default:
        // A fresh link does nothing by itself before it was opened: it may have been forwarded unread.
        if (link.kind === 'undo') return pages.missing(request, response);
        return show(request, response, link, { ...again, said: await save(request, link, given) });
    }
  });

  router.get('/.well-known/gpc.json', (_request, response) => {
    response.json({ gpc: true, lastUpdate: '2026-01-01', purposes: GPC_PURPOSES });
  });

  return router;
}
