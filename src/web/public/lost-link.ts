import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import { encodeBase32 } from '../../core/base32.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes } from '../../core/keys.js';
import { ALL_MARKETING } from '../../core/scope.js';
import { mailFreshLink } from './fresh-link.js';
import type { PublicParts } from './public-parts.js';

/** The address or number that somebody typed. Throws HushError `invalid`. */
function contactPointIn(text: string, defaultCountry: string): ContactPoint {
  return normaliseContact(text.includes('@') ? { email: text } : { phone: text }, defaultCountry);
}

function showLostLinkForm(
  parts: Pick<PublicParts, 'pages'>,
  request: Request,
  response: Response,
  status: number,
  values: { done?: readonly string[]; error?: string; address?: string },
): void {
  const { pages } = parts;
  pages.send(request, response, status, 'lost-link', undefined, {
    error: undefined,
    address: '',
    done: undefined,
    ...values,
  });
}

/** `GET /preferences`: the form for people who have no link, or what came of it. */
export function showLostLink(
  parts: Pick<PublicParts, 'results' | 'pages' | 'catalog'>,
  request: Request,
  response: Response,
) {
  const { results, pages, catalog } = parts;
  const result = results.open('/preferences', request.query.did);
  const { t } = pages.context(request);
  const { phone } = catalog.group;
  showLostLinkForm(
    parts,
    request,
    response,
    200,
    result ? { done: result.lines.map(({ key }) => t(key, { phone })) } : {},
  );
}

/** Stops all marketing to the address, for the whole person where it is linked, and mails a notice with an undo link. */
async function stopAddress(parts: PublicParts, request: Request, point: ContactPoint, brand: string): Promise<void> {
  const { clock, decisions, keyring, accept, post, links } = parts;
  const { contact } = await decisions.present({ key: contactKeyBytes(keyring, point), point });
  const accepted = await accept.accept({
    subject: { point },
    type: 'opted_out',
    scope: ALL_MARKETING,
    source: { kind: 'form', destination: `form-${encodeBase32(randomBytes(5)).toLowerCase()}` },
    ...(contact?.person === undefined ? {} : { reach: 'person' as const }),
    evidence: parts.evidenceOf(request),
  });
  if (point.type !== 'email') return;
  const undo = links.undo(point, brand, accepted.id, clock.now());
  await post({
    id: `stopped:${accepted.id}`,
    template: 'stopped-notice',
    language: parts.pages.context(request).language,
    brand,
    to: point.given,
    values: (lang) => ({ receipt: accepted.id, undoLink: `${parts.publicUrl()}/p/${undo}?lang=${lang}` }),
    quota: { asker: parts.askerOf(request), perDay: 1 },
  });
}

/** `POST /preferences`: mails a fresh link to the address, or stops all marketing to it. */
export async function receiveLostLink(parts: PublicParts, request: Request, response: Response) {
  const { pages, catalog, results } = parts;
  const { act, address } = (request.body ?? {}) as Record<string, unknown>;
  const text = typeof address === 'string' ? address.trim() : '';
  const { t } = pages.context(request);
  let point: ContactPoint;
  try {
    point = contactPointIn(text, catalog.group.defaultCountry);
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    return showLostLinkForm(parts, request, response, 400, { error: t('lost.invalid'), address: text.slice(0, 320) });
  }
  await (act === 'stop' ? parts.countDenial(request) : parts.countForm(request));
  const brand = (catalog.brands.find(({ retired }) => !retired) ?? catalog.brands[0])?.id ?? '';
  if (act === 'stop') await stopAddress(parts, request, point, brand);
  else await mailFreshLink(parts, request, point, brand);
  // The page says what was entered, never whether we know it.
  const key = `lost.${act === 'stop' ? 'stopped' : 'sent'}.${point.type === 'phone' ? 'phone' : 'email'}`;
  pages.seeOther(request, response, '/preferences', { did: results.seal('/preferences', { lines: [{ key }] }) });
}
