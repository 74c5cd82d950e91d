import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, contactKeyText, eventId, type Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { lastDeniedSince } from '../core/opening.js';
import { type Scope, scopeText } from '../core/scope.js';
import { withTimeout } from '../store/connect.js';
import type { Tickets } from '../store/tickets.js';
import type { Accept } from './accept.js';
import type { Decisions } from './decisions.js';
import type { Accepted } from './draft.js';
import type { Link, Links } from './links.js';
import type { Post } from './outgoing-mail.js';
import { fittingEvidence, type PrivateParts } from './private-part.js';

/** A sign-up that is not confirmed within this time (ms) never was. */
export const CONFIRM_MS = 7 * DAY_MS;

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

export interface ConsentContext {
  readonly accept: Accept;
  readonly decisions: Pick<Decisions, 'present'>;
  readonly tickets: Tickets;
  readonly links: Links;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly post: Post;
  readonly publicUrl: () => string;
}

/**
 * The text of a notice, in its own language or the first it has.
 *
 * @throws HushError `invalid` for one that the catalog lacks
 */
export function noticeText(catalog: Catalog, notice: SignUp['notice'], language: string): string {
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

/** Sends the mail with the button. Always the same answer, whether or not the address is known or was mailed today. */
async function beginSignUp(context: ConsentContext, signUp: SignUp): Promise<{ expires: number }> {
  const { tickets, links, privateParts, keyring, catalog, clock, machine, post } = context;
  const { point, scope, notice, language } = signUp;
  if (point.type !== 'email') {
    throw new HushError('invalid', 'double opt-in is by email', {
      field: 'contact',
      remedy: 'give an email address, or record a consent with its evidence',
    });
  }
  const text = noticeText(catalog, notice, language);
  const key = contactKeyBytes(keyring, point);
  const id = encodeBase32(machine.randomBytes(10));
  const expires = clock.now() + CONFIRM_MS;
  const details = {
    scope,
    notice: { id: notice.id, version: notice.version },
    ...(signUp.until === undefined ? {} : { until: signUp.until }),
  };
  const sealed = privateParts.sealPending(key, { evidence: { ...signUp.evidence, wording: text.slice(0, 600) } });
  await withTimeout(machine, tickets.keepConfirmation({ id, contact: key, details, sealed }, expires));
  await post({
    id: `confirm:${id}`,
    template: 'confirm',
    language,
    brand: scope.brand,
    to: point.given,
    values: (lang) => ({
      link: `${context.publicUrl()}/confirm/${links.confirm(point, scope, id, expires)}?lang=${lang}`,
      notice: text,
    }),
    // Another topic is another question. The same one again is none.
    quota: { asker: signUp.asker, perDay: 1, about: scopeText(scope) },
    until: expires,
  });
  return { expires };
}

/** The sign-up of a link that waits, or undefined. */
async function waitingSignUp({ tickets, privateParts }: ConsentContext, link: Link) {
  const stored = await tickets.confirmation(link.reference);
  if (link.kind !== 'confirm' || !stored || !stored.contact.equals(link.key)) return undefined;
  const evidence = stored.sealed && privateParts.openPending(link.key, stored.sealed)?.evidence;
  return {
    id: stored.id,
    details: stored.details as { notice: SignUp['notice']; until?: number },
    evidence: evidence as Record<string, string> | undefined,
  };
}

/** When the person has said no since the sign-up began (ms): the last time. */
async function deniedSince({ decisions, clock }: ConsentContext, link: Link): Promise<number | undefined> {
  const { state } = await decisions.present(link);
  return lastDeniedSince(state, link.scope, (link.expires ?? clock.now()) - CONFIRM_MS);
}

/** The consent that a pressed button gives. The same again gives the same receipt. */
async function grant(
  { accept, keyring }: ConsentContext,
  link: Link,
  signUp: NonNullable<Awaited<ReturnType<typeof waitingSignUp>>>,
  at: number,
  evidence: Readonly<Record<string, string>>,
): Promise<Accepted> {
  const { notice, until } = signUp.details;
  const writer = { name: 'double-opt-in', id: signUp.id };
  const [result] = await accept.acceptAll([
    {
      subject: { point: link.point },
      type: 'consent_granted',
      scope: link.scope,
      at,
      source: { kind: 'form' },
      lifts: 'any',
      notice,
      writer,
      evidence: fittingEvidence({ ...signUp.evidence, ...evidence }),
      ...(until === undefined ? {} : { until }),
    },
  ]);
  if (result instanceof HushError && result.kind === 'id_reused') {
    // Pressed again, at another time or by another program: it was granted before.
    return { id: eventId(keyring, link.key, writer), contact: contactKeyText(link.key), at };
  }
  if (result instanceof Error) throw result;
  if (!result) throw new Error('nothing came of a consent');
  return result;
}

/** Double opt-in: nothing counts until the person presses the button in the mail. */
export function createConsents(context: ConsentContext) {
  return {
    wording: (notice: SignUp['notice'], language: string) => noticeText(context.catalog, notice, language),
    begin: (signUp: SignUp) => beginSignUp(context, signUp),

    /** What a link would confirm: the text agreed to, and when the person said no since. Undefined for none that waits. */
    async look(link: Link): Promise<{ wording?: string; deniedAt?: number } | undefined> {
      const signUp = await waitingSignUp(context, link);
      if (!signUp) return undefined;
      const deniedAt = await deniedSince(context, link);
      return {
        ...(signUp.evidence?.wording === undefined ? {} : { wording: signUp.evidence.wording }),
        ...(deniedAt === undefined ? {} : { deniedAt }),
      };
    },

    /** The same sign-up anew, by a mail of its own. False for one that nobody knows any more. */
    async beginAgain(link: Link, asker: string, language: string): Promise<boolean> {
      const signUp = await waitingSignUp(context, link);
      if (!signUp) return false;
      const { wording: _wording, ...evidence } = signUp.evidence ?? {};
      const { notice, until } = signUp.details;
      await beginSignUp(context, {
        point: link.point,
        scope: link.scope,
        notice,
        language,
        evidence,
        asker,
        ...(until === undefined ? {} : { until }),
      });
      return true;
    },

    /**
     * The button was pressed. The same again gives the same receipt. `denied_since` when the person has said no since the
     * sign-up began: then nothing is granted. Undefined for a link of no sign-up that waits.
     */
    async confirm(
      link: Link,
      evidence: Readonly<Record<string, string>>,
    ): Promise<Accepted | 'denied_since' | undefined> {
      // Before it was looked up: what is denied meanwhile stands.
      const at = context.clock.now();
      const signUp = await waitingSignUp(context, link);
      if (!signUp) return undefined;
      if ((await deniedSince(context, link)) !== undefined) return 'denied_since';
      return grant(context, link, signUp, at, evidence);
    },
  };
}

export type Consents = ReturnType<typeof createConsents>;
