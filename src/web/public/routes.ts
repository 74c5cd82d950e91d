import { randomBytes } from 'node:crypto';
import { type Request, type Response, Router } from 'express';
import { encodeBase32 } from '../../core/base32.js';
import { type Catalog, say } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import { ALL_MARKETING } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import type { Consents } from '../../preferences/consents.js';
import { FRESH_FOR, LINK_QUOTA, type Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/post.js';
import type { Questions } from '../../preferences/questions.js';
import { oneClickResult } from './one-click.js';
import type { Pages } from './pages.js';

export interface PublicParts {
  readonly pages: Pages;
  readonly links: Links;
  readonly accept: Accept;
  readonly questions: Questions;
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
  const { pages, links, accept, questions, consents, catalog, keyring, clock, post } = parts;
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

  router.get('/u/:token', async (request, response) => {
    const link = links.read(request.params.token, clock.now());
    if (link?.kind !== 'mailed') {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    pages.send(request, response, 200, 'unsubscribe', link.brand, {
      token: link.token,
      link: pages.linkWords(request, link),
      masked: pages.masked(link),
    });
  });

  // Reached only after the one-click handler recorded the opt-out, or with a token that is not ours.
  router.post('/u/:token', async (request, response) => {
    const result = oneClickResult(request);
    if (!result) {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    if (!result.accepted) return pages.fault(request, response, 503);
    pages.send(request, response, 200, 'stopped', result.link.brand, {
      token: result.link.token,
      link: pages.linkWords(request, result.link),
      masked: pages.masked(result.link),
      receipt: result.accepted.id,
      undo: result.accepted.id,
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
    values: { done: boolean; byPhone?: boolean; error?: string; address?: string },
  ): void {
    pages.send(request, response, status, 'lost-link', undefined, {
      error: undefined,
      address: '',
      byPhone: false,
      ...values,
    });
  }

  router.get('/preferences', (request, response) => showForm(request, response, 200, { done: false }));

  router.post('/preferences', async (request, response) => {
    const { act, address } = (request.body ?? {}) as Record<string, unknown>;
    if (act === 'form') return showForm(request, response, 200, { done: false });
    const text = typeof address === 'string' ? address.trim() : '';
    let point: ContactPoint;
    try {
      point = pointFrom(text);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      return showForm(request, response, 400, { done: false, error: error.message, address: text.slice(0, 320) });
    }
    await (act === 'stop' ? parts.countDenial(request) : parts.countForm(request));
    const brand = catalog.brands.find(({ retired }) => !retired) ?? catalog.brands[0];
    const brandId = brand?.id ?? '';
    const { language } = pages.context(request);
    const now = clock.now();
    if (act === 'stop') {
      const linked =
        (await questions.present({ key: contactKeyBytes(keyring, point), point })).contact?.person !== undefined;
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
          values: {
            receipt: accepted.id,
            undoLink: `${parts.publicUrl()}/p/${links.undo(point, brandId, accepted.id, now)}?lang=${language}`,
          },
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
        values: { link: `${parts.publicUrl()}/p/${token}?lang=${language}` },
        quota: { asker: parts.askerOf(request), ...LINK_QUOTA },
        until: now + FRESH_FOR,
      });
    }
    // What was entered is known to whoever entered it; whether we know it is not said.
    return showForm(request, response, 200, { done: true, byPhone: point.type === 'phone' });
  });

  router.get('/confirm/:token', async (request, response) => {
    const link = links.read(request.params.token, clock.now());
    if (link?.kind !== 'confirm') {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    const { t, language } = pages.context(request);
    const { noun, channelName } = pages.linkWords(request, link);
    const what = link.topic ? say(link.topic.name, language) : noun;
    pages.send(request, response, 200, 'ask', link.brand, {
      title: t('confirm.title'),
      heading: t('confirm.heading', { noun: what, brand: link.brand.name, channel: channelName }),
      text: t('unsubscribe.who'),
      masked: pages.masked(link),
      quote: undefined,
      action: `/confirm/${link.token}?lang=${language}`,
      act: 'confirm',
      button: t('confirm.button', { noun: what }),
      otherwise: t('confirm.otherwise'),
    });
  });

  router.post('/confirm/:token', async (request, response) => {
    const link = links.read(request.params.token, clock.now());
    const confirmed = link?.kind === 'confirm' ? await consents.confirm(link, parts.evidenceOf(request)) : undefined;
    if (!link || !confirmed) {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    const { t, language } = pages.context(request);
    if (confirmed === 'denied_since') {
      return pages.message(request, response, 409, link.brand, {
        title: t('confirm.title'),
        heading: t('confirm.since'),
        text: t('confirm.sinceText'),
        ways: [{ href: `/preferences?lang=${language}`, label: t('undo.choose') }],
      });
    }
    const { noun, channelName } = pages.linkWords(request, link);
    pages.message(request, response, 200, link.brand, {
      title: t('confirm.title'),
      heading: t('confirm.done', {
        noun: link.topic ? say(link.topic.name, language) : noun,
        brand: link.brand.name,
        channel: channelName,
      }),
      text: '',
      good: true,
      receipt: confirmed.id,
    });
  });

  return router;
}
