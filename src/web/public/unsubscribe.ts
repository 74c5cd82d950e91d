import type { Request, Response } from 'express';
import { longDate } from '../../core/calendar.js';
import { HushError } from '../../core/errors.js';
import type { Link } from '../../preferences/links.js';
import { oneClickResult } from './one-click.js';
import type { PublicParts } from './public-parts.js';

/** What stops all that the link is about; undefined also where that cannot be known now, and then the button is there. */
async function currentStop(parts: Pick<PublicParts, 'earlierStop'>, link: Link) {
  try {
    return await parts.earlierStop(link, link.scope);
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    return 'unknown';
  }
}

export async function showUnsubscribe(parts: PublicParts, request: Request, response: Response) {
  const { links, clock, pages, results } = parts;
  const link = links.read(String(request.params.token), clock.now());
  if (link?.kind !== 'mailed') {
    await parts.refuse(request);
    return pages.missing(request, response);
  }
  const { language } = pages.context(request);
  const result = results.open(link.token, request.query.did);
  const [pressed] = result?.receipts ?? [];
  const stop = await currentStop(parts, link);
  const earlier = stop === 'unknown' ? undefined : stop;
  const values = {
    token: link.token,
    link: pages.linkWords(request, link),
    masked: pages.masked(link),
  };
  // Taken back since, in another window for example: then the page asks again.
  if (!earlier && !(stop === 'unknown' && pressed)) {
    return pages.send(request, response, 200, 'unsubscribe', link.brand, values);
  }
  const isFirst = pressed !== undefined && (earlier === undefined || earlier.id === pressed);
  pages.send(request, response, 200, 'stopped', link.brand, {
    ...values,
    since: isFirst || !earlier ? undefined : longDate(language, earlier.at),
    receipt: isFirst ? pressed : earlier?.id,
    undo: pressed,
    why: isFirst ? pages.whyWords({ language }, result) : undefined,
  });
}

export async function showUnsubscribed(
  parts: Pick<PublicParts, 'refuse' | 'pages' | 'results'>,
  request: Request,
  response: Response,
) {
  const { pages, results } = parts;
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
}
