import type { Request } from 'express';
import type { Clock } from '../../core/clock.js';
import type { ContactPoint } from '../../core/contact-point.js';
import { FRESH_FOR, LINK_QUOTA, type Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { Pages } from './pages.js';

interface FreshLinkParts {
  readonly links: Pick<Links, 'fresh'>;
  readonly pages: Pick<Pages, 'context'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly post: Post;
  readonly publicUrl: () => string;
  readonly askerOf: (request: Request) => string;
}

/** Mails an address the link that proves it is theirs. Does nothing for contacts without a mailbox. */
export async function mailFreshLink(
  parts: FreshLinkParts,
  request: Request,
  point: ContactPoint,
  brand: string,
): Promise<void> {
  if (point.type !== 'email') return;
  const now = parts.clock.now();
  const token = parts.links.fresh(point, brand, now);
  await parts.post({
    id: `your-link:${token.slice(-24)}`,
    template: 'your-link',
    language: parts.pages.context(request).language,
    brand,
    to: point.given,
    values: (lang) => ({ link: `${parts.publicUrl()}/p/${token}?lang=${lang}` }),
    quota: { asker: parts.askerOf(request), ...LINK_QUOTA },
    until: now + FRESH_FOR,
  });
}
