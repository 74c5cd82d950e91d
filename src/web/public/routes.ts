import { randomBytes } from 'node:crypto';
import { type Request, type Response, Router } from 'express';
import { encodeBase32 } from '../../core/base32.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, maskContact, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import { ALL_MARKETING } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import type { Consents } from '../../preferences/consents.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { EarlierStop } from '../../preferences/earlier-stop.js';
import { FRESH_FOR, isOver, LINK_QUOTA, type Link, type Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import { oneClickResult } from './one-click.js';
import type { Pages } from './pages.js';
import { dateWords } from './preference-view.js';
import type { Results } from './results.js';

export interface PublicParts {
  readonly pages: Pages;
  readonly links: Links;
  readonly results: Results;
  readonly earlierStop: EarlierStop;
  readonly accept: Accept;
  readonly decisions: Decisions;
  readonly consents: Consents;
  readonly catalog: Catalog;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly post: Post;
  readonly publicUrl: () => string;
  readonly evidenceOf: (request: Request) => Record<string, string>;
  readonly refuse: (request: Request) => Promise<void>;
  /** The network of whoever asks. */
  readonly askerOf: (request: Request) => string;
  /** Counts a use of the public form; throws when there were too many from one network. */
  readonly countForm: (request: Request) => Promise<void>;
  /** The same for an opt-out by form. */
  readonly countDenial: (request: Request) => Promise<void>;
}

/** Pages for recipients, but for the preference page itself. */
export function publicRoutes(parts: PublicParts): Router {
  const { pages, links, results, accept, decisions, consents, catalog, keyring, clock, post } = parts;
  const router = Router();

  router.get('/assets/:name', (request, response, next) => {
    if (`/assets/${request.params.name}` !== pages.css.path) return next();
    response.type('css').set('Cache-Control', 'public, max-age=31536000, immutable').send(pages.css.text);
  });
  router.get('/assets/brand/:name', (request, response, next) => {
    const brand = catalog.brands.find(({ id }) => `${id}.css` === request.params.name);
    if (!brand) return next();
    response.type('css').set('Cache-Control', 'public, max-age=86400').send(pages.brandCss(brand));
  });
  router.get('/', (_request, response) => response.redirect(303, '/preferences'));

  /** What stops all that the link is about; undefined also where that cannot be known now, and then the button is there. */
  async function stopOf(link: Link) {
    try {
      return await parts.earlierStop(link, link.scope);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      return 'unknown';
    }
  }

  router.get('/u/:token', async (request, response) => {
    const link = links.read(request.params.token, clock.now());
    if (link?.kind !== 'mailed') {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    const { language } = pages.context(request);
    const result = results.open(link.token, request.query.did);
    const [pressed] = result?.receipts ?? [];
    const stop = await stopOf(link);
    const known = stop === 'unknown' ? undefined : stop;
    const values = {
      token: link.token,
      link: pages.linkWords(request, link),
      masked: pages.masked(link),
    };
    // Taken back since, in another window for example: then the page asks again.
    if (!known && !(stop === 'unknown' && pressed)) {
      return pages.send(request, response, 200, 'unsubscribe', link.brand, values);
    }
    const isFirst = pressed !== undefined && (known === undefined || known.id === pressed);
    pages.send(request, response, 200, 'stopped', link.brand, {
      ...values,
      since: isFirst || !known ? undefined : dateWords(language, known.at),
      receipt: isFirst ? pressed : known?.id,
      undo: pressed,
      why: isFirst ? pages.whyWords({ language }, result) : undefined,
    });
  });

  // Reached only after the one-click handler recorded the opt-out, or with a token that is not ours.
  router.post('/u/:token', async (request, response) => {
    const result = oneClickResult(request);
    if (!result) {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    const { link, accepted } = result;
    if (!accepted) return pages.fault(request, response, 503);
    pages.seeOther(request, response, `/u/${link.token}`, {
      did: results.seal(link.token, { lines: [], receipts: [accepted.id], stopped: { channel: link.scope.channel } }),
    });
  });

  function pointFrom(text: string): ContactPoint {
    return text.includes('@')
      ? normaliseContact({ email: text }, catalog.group.defaultCountry)
      : normaliseContact({ phone: text }, catalog.group.defaultCountry);
  }

  function showForm(
    request: Request,
    response: Response,
    status: number,
    values: { done?: readonly string[]; error?: string; address?: string },
  ): void {
    pages.send(request, response, status, 'lost-link', undefined, {
      error: undefined,
      address: '',
      done: undefined,
      ...values,
    });
  }

  router.get('/preferences', (request, response) => {
    const result = results.open('/preferences', request.query.did);
    const { t } = pages.context(request);
    const { phone } = catalog.group;
    showForm(request, response, 200, result ? { done: result.lines.map(({ key }) => t(key, { phone })) } : {});
  });

  router.post('/preferences', async (request, response) => {
    const { act, address } = (request.body ?? {}) as Record<string, unknown>;
    const text = typeof address === 'string' ? address.trim() : '';
    const { language, t } = pages.context(request);
    let point: ContactPoint;
    try {
      point = pointFrom(text);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      return showForm(request, response, 400, { error: t('lost.invalid'), address: text.slice(0, 320) });
    }
    await (act === 'stop' ? parts.countDenial(request) : parts.countForm(request));
    const brand = catalog.brands.find(({ retired }) => !retired) ?? catalog.brands[0];
    const brandId = brand?.id ?? '';
    const now = clock.now();
    if (act === 'stop') {
      const linked =
        (await decisions.present({ key: contactKeyBytes(keyring, point), point })).contact?.person !== undefined;
      const accepted = await accept.accept({
        subject: { point },
        type: 'opted_out',
        scope: ALL_MARKETING,
        source: { kind: 'form', destination: `form-${encodeBase32(randomBytes(5)).toLowerCase()}` },
        ...(linked ? { reach: 'person' as const } : {}),
        evidence: parts.evidenceOf(request),
      });
      if (point.type === 'email') {
        await post({
          id: `stopped:${accepted.id}`,
          template: 'stopped-notice',
          language,
          brand: brandId,
          to: point.given,
          values: (lang) => ({
            receipt: accepted.id,
            undoLink: `${parts.publicUrl()}/p/${links.undo(point, brandId, accepted.id, now)}?lang=${lang}`,
          }),
          quota: { asker: parts.askerOf(request), perDay: 1 },
        });
      }
    } else if (point.type === 'email') {
      const token = links.fresh(point, brandId, now);
      await post({
        id: `your-link:${token.slice(-24)}`,
        template: 'your-link',
        language,
        brand: brandId,
        to: point.given,
        values: (lang) => ({ link: `${parts.publicUrl()}/p/${token}?lang=${lang}` }),
        quota: { asker: parts.askerOf(request), ...LINK_QUOTA },
        until: now + FRESH_FOR,
      });
    }
    // What was entered is known to whoever entered it; whether we know it is not said.
    const key =
      act === 'stop'
        ? `lost.stopped.${point.type === 'phone' ? 'phone' : 'email'}`
        : `lost.sent.${point.type === 'phone' ? 'phone' : 'email'}`;
    pages.seeOther(request, response, '/preferences', { did: results.seal('/preferences', { lines: [{ key }] }) });
  });

  /** The sign-up that a link is about, also one whose time is over, or undefined after the helpful 404 was sent. */
  async function signUpOf(request: Request, response: Response): Promise<Link | undefined> {
    const link = links.open(String(request.params.token));
    if (link?.kind === 'confirm') return link;
    await parts.refuse(request);
    pages.missing(request, response);
    return undefined;
  }

  /** A sign-up that the person stopped since, with a new start in one press. */
  function showStopped(request: Request, response: Response, link: Link, at: number): void {
    const { t, language } = pages.context(request);
    pages.send(request, response, 409, 'ask', link.brand, {
      title: t('confirm.title'),
      heading: t('confirm.since', { date: dateWords(language, at) }),
      text: t('confirm.sinceText'),
      masked: pages.masked(link),
      quote: undefined,
      action: `/confirm/${link.token}?lang=${language}`,
      act: 'again',
      button: t('confirm.again'),
      otherwise: t('confirm.otherwise'),
    });
  }

  function showOver(request: Request, response: Response, link: Link): void {
    const { t, language } = pages.context(request);
    pages.message(request, response, 410, link.brand, {
      title: t('confirm.title'),
      heading: t('confirm.over'),
      text: t('confirm.overText'),
      ways: [{ href: `/preferences?lang=${language}`, label: t('missing.form') }],
    });
  }

  router.get('/confirm/:token', async (request, response) => {
    const link = await signUpOf(request, response);
    if (!link) return;
    const { t, language } = pages.context(request);
    const { noun, topicName, by, brand } = pages.linkWords(request, link);
    const words = { noun: topicName ? t('quoted', { text: topicName }) : noun, brand, by };
    const result = results.open(link.token, request.query.did);
    const signUp = await consents.look(link);
    // Confirmed, and stopped since in another window for example.
    const isOvertaken = result?.receipts[0] !== undefined && signUp?.deniedAt !== undefined;
    if (result && !isOvertaken) {
      const [line] = result.lines;
      return pages.message(request, response, 200, link.brand, {
        title: t('confirm.title'),
        heading: t(line?.key ?? 'confirm.title', words),
        text: '',
        good: true,
        ...(result.receipts[0] === undefined ? {} : { receipt: result.receipts[0] }),
      });
    }
    if (!signUp || isOver(link, clock.now())) return showOver(request, response, link);
    if (signUp.deniedAt !== undefined) return showStopped(request, response, link, signUp.deniedAt);
    pages.send(request, response, 200, 'ask', link.brand, {
      title: t('confirm.title'),
      heading: t('confirm.heading', words),
      text: t('unsubscribe.who'),
      masked: maskContact(link.point),
      agreed: signUp.wording === undefined ? undefined : t('confirm.text'),
      quote: signUp.wording,
      action: `/confirm/${link.token}?lang=${language}`,
      act: 'confirm',
      button: t('confirm.button', words),
      otherwise: t('confirm.otherwise'),
    });
  });

  router.post('/confirm/:token', async (request, response) => {
    const link = await signUpOf(request, response);
    if (!link) return;
    const { act } = (request.body ?? {}) as Record<string, unknown>;
    const answer = (key: string, receipts: string[] = []) =>
      pages.seeOther(request, response, `/confirm/${link.token}`, {
        did: results.seal(link.token, { lines: [{ key }], receipts }),
      });
    if (act === 'again') {
      await parts.countForm(request);
      const begun = await consents.beginAgain(link, parts.askerOf(request), pages.context(request).language);
      // Of one that is over nobody knows any more what was agreed to; its page says so.
      return begun ? answer('confirm.sentAgain') : pages.seeOther(request, response, `/confirm/${link.token}`);
    }
    const confirmed = isOver(link, clock.now()) ? undefined : await consents.confirm(link, parts.evidenceOf(request));
    // Its page says why not.
    if (!confirmed || confirmed === 'denied_since') return pages.seeOther(request, response, `/confirm/${link.token}`);
    return answer('confirm.done', [confirmed.id]);
  });

  return router;
}
