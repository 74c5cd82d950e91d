import { randomBytes } from 'node:crypto';
import { encodeBase32 } from '../core/base32.js';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, contactKeyText, eventId, type Keyring } from '../core/keys.js';
import { wasDeniedSince } from '../core/opening.js';
import type { Scope } from '../core/scope.js';
import { inTime } from '../store/connect.js';
import type { Tickets } from '../store/tickets.js';
import type { Accept, Accepted } from './accept.js';
import type { Link, Links } from './links.js';
import type { Post } from './post.js';
import { fittingEvidence, type PrivateParts } from './private-part.js';
import type { Questions } from './questions.js';

/** A sign-up that is not confirmed within this time (ms) never was. */
export const CONFIRM_WITHIN = 7 * 86_400_000;

export interface SignUp {
  readonly point: ContactPoint;
  readonly scope: Scope;
  readonly notice: { readonly id: string; readonly version: string; readonly language?: string | undefined };
  readonly until?: number | undefined;
  readonly language: string;
  readonly evidence: Readonly<Record<string, string>>;
  /** Who signs up, as far as it is known: a network, or the key that says so. */
  readonly asker: string;
}

/** Double opt-in: nothing counts until the person presses the button in the mail. */
export function createConsents(parts: {
  readonly accept: Accept;
  readonly questions: Pick<Questions, 'present'>;
  readonly tickets: Tickets;
  readonly links: Links;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly post: Post;
  readonly publicUrl: () => string;
}) {
  const { accept, tickets, links, privateParts, keyring, catalog, clock, post } = parts;

  function wording(notice: SignUp['notice'], language: string): string {
    const versions = catalog.notices.filter(({ id, version }) => id === notice.id && version === notice.version);
    const found = versions.find((item) => item.language === (notice.language ?? language)) ?? versions[0];
    if (!found) {
      throw new HushError('invalid', `there is no notice ${notice.id} in version ${notice.version}`, {
        field: 'notice',
        remedy: 'add it to config/catalog.yaml under notices, or name one that is there',
      });
    }
    return found.text;
  }

  return {
    wording,

    /** Sends the mail with the button. Always the same answer, whether or not the address is known or was mailed today. */
    async begin(signUp: SignUp): Promise<{ expires: number }> {
      const { point, scope, notice, language } = signUp;
      if (point.type !== 'email') {
        throw new HushError('invalid', 'double opt-in is by email', {
          field: 'contact',
          remedy: 'give an email address, or record a consent with its evidence',
        });
      }
      const text = wording(notice, language);
      const key = contactKeyBytes(keyring, point);
      const id = encodeBase32(randomBytes(10));
      const expires = clock.now() + CONFIRM_WITHIN;
      const details = {
        scope,
        notice: { id: notice.id, version: notice.version },
        ...(signUp.until === undefined ? {} : { until: signUp.until }),
      };
      const sealed = privateParts.sealPending(key, { evidence: { ...signUp.evidence, wording: text.slice(0, 600) } });
      await inTime(tickets.keepConfirmation({ id, contact: key, details, sealed }, expires));
      await post({
        id: `confirm:${id}`,
        template: 'confirm',
        language,
        brand: scope.brand,
        to: point.given,
        values: {
          link: `${parts.publicUrl()}/confirm/${links.confirm(point, scope, id, expires)}?lang=${language}`,
          notice: text,
        },
        quota: { asker: signUp.asker, perDay: 1 },
        until: expires,
      });
      return { expires };
    },

    /**
     * The button was pressed. The same again gives the same receipt. `denied_since` when the person has said no since the
     * sign-up began: then nothing is granted. Undefined for a link of no sign-up that waits.
     */
    async confirm(
      link: Link,
      evidence: Readonly<Record<string, string>>,
    ): Promise<Accepted | 'denied_since' | undefined> {
      const at = clock.now();
      const kept = await tickets.confirmation(link.reference);
      if (link.kind !== 'confirm' || !kept || !kept.contact.equals(link.key)) return undefined;
      const { state } = await parts.questions.present(link);
      const begun = (link.expires ?? at) - CONFIRM_WITHIN;
      if (wasDeniedSince(state, link.scope, begun)) return 'denied_since';
      const asked = kept.sealed && privateParts.openPending(link.key, kept.sealed)?.evidence;
      const { notice, until } = kept.details as { notice: { id: string; version: string }; until?: number };
      const writer = { name: 'double-opt-in', id: kept.id };
      const [result] = await accept.acceptAll([
        {
          subject: { point: link.point },
          type: 'consent_granted',
          scope: link.scope,
          // Before it was looked up: what is denied meanwhile stands.
          at,
          source: { kind: 'form' },
          lifts: 'any',
          notice,
          writer,
          evidence: fittingEvidence({ ...(asked as Record<string, string> | undefined), ...evidence }),
          ...(until === undefined ? {} : { until }),
        },
      ]);
      if (result instanceof HushError && result.kind === 'id_reused') {
        // Pressed again, at another time or by another program: it was granted before.
        return { id: eventId(keyring, link.key, writer), contact: contactKeyText(link.key), at };
      }
      if (result instanceof Error) throw result;
      return result;
    },
  };
}

export type Consents = ReturnType<typeof createConsents>;
