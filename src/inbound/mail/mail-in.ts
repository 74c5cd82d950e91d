import { createHash } from 'node:crypto';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { ContactPoint } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyText, type Keyring } from '../../core/keys.js';
import { scopeText, wholeScope } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import type { Draft } from '../../preferences/draft.js';
import type { Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { Receipts } from '../../preferences/receipts.js';
import { truncatedEvidence } from '../evidence.js';
import { createRecordOnce } from '../record-once.js';
import type { InboundReview, ReviewKind } from '../review.js';
import { languageWritten } from '../sms/language.js';
import type { TextWords } from '../sms/text-words.js';
import type { SoftBounces } from '../soft-bounces.js';
import { type Finding, type FindingKind, findingsOf } from './findings.js';
import { createInboundAddresses } from './inbound-address.js';
import { parseReturnedMail } from './parse.js';
import type { ReturnedMail } from './returned.js';
import type { BounceRules } from './rules.js';

/** Bytes. Reports carry our own message at most, and mail servers refuse more than 10 to 25 MB anyway. */
export const MAX_MAIL_BYTES = 10 * 1024 * 1024;
/**
 * Notices a minute and process about opt-outs that nobody proved. The opt-outs themselves all count: what is bounded is the
 * mail to people who may never have written to us.
 */
const NOTICES_A_MINUTE = 60;

export type Via = 'api' | 'smtp' | 'cli';

export interface ReceiveOptions {
  readonly via: Via;
  /** Recipients of the envelope, where they are known; those in the headers count too. */
  readonly envelopeTo?: readonly string[];
  /** Says what would happen and does nothing. */
  readonly dryRun?: boolean;
}

/** What was understood of a message about one contact, and what became of it. */
export interface Recognised {
  readonly kind: FindingKind;
  /** As the message gives it; absent where only a token names the contact. Never stored from a placeholder. */
  readonly address?: string;
  /** `c_…`, where the contact is known. */
  readonly contact?: string;
  /** Cause of a bounce, `feedback`, `vacation`, `mailto` or `own_word`. */
  readonly reason?: string;
  /** Enhanced status code, RFC 3463. */
  readonly status?: string;
  readonly receipt?: string;
  /** Receipt of the hard bounce that this soft one brought about, being one too many. */
  readonly turnedHard?: string;
  /** Id in the review list. */
  readonly review?: string;
  /** Why it was ignored or is under review: `no_proof`, `forged_token`, `means_nothing`, … */
  readonly why?: string;
  readonly outcome: 'recorded' | 'review' | 'ignored' | 'would_record' | 'would_review';
}

/** Whether a genuine token would have made another thing of it. */
function lacksProof({ what }: Finding): boolean {
  return what.act !== 'record' && ['forged_token', 'no_proof', 'nobody_named'].includes(what.why);
}

type Recording = Extract<Finding['what'], { act: 'record' }>;

export interface Reception {
  readonly recognised: readonly Recognised[];
}

interface MailInParts {
  readonly rules: BounceRules;
  /** What people stop by, and the languages they write in. */
  readonly stopWords: TextWords;
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly receipts: Pick<Receipts, 'get'>;
  readonly review: Pick<InboundReview, 'hold'>;
  readonly softBounces: Pick<SoftBounces, 'settle'>;
  readonly links: Pick<Links, 'read' | 'undo'>;
  readonly post: Post;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly clock: Pick<Clock, 'now'>;
  readonly publicUrl: () => string;
  /** Throws MissingKeyError while this process lacks a root of the installation: a token that does not open may be genuine. */
  readonly requireKeys: () => Promise<void>;
  /** Called with everything recognised, for the metrics; nothing of a person is in it. */
  readonly onRecognised?: (kind: FindingKind, outcome: Recognised['outcome']) => void;
}

interface MailInContext extends MailInParts {
  readonly notices: RateLimiterMemory;
  readonly recordOnce: ReturnType<typeof createRecordOnce>;
  readonly addresses: ReturnType<typeof createInboundAddresses>;
  readonly country: string;
}

function factsOf(mail: ReturnedMail, finding: Finding): Record<string, string | undefined> {
  return {
    from: mail.from?.slice(0, 300),
    subject: mail.subject?.slice(0, 200),
    messageId: mail.messageId?.slice(0, 200),
    original: mail.original?.messageId?.slice(0, 200),
    reason: finding.reason,
    status: finding.status,
    feedbackType: finding.feedbackType,
    diagnostic: finding.diagnostic,
  };
}

function draftOf(mail: ReturnedMail, finding: Finding, what: Recording, via: Via): Draft {
  // A person's mail is a mailto; a report is what another system says of one.
  const isPerson = finding.reason === 'mailto' || what.proof === 'own_word';
  return {
    ...what.event,
    source: { kind: isPerson ? 'mailto' : 'webhook' },
    evidence: truncatedEvidence({ via, proof: what.proof, ...factsOf(mail, finding) }),
  };
}

/** The catalog's language that the message is written in, or else says it is in, or else the first. */
function languageOf(context: MailInContext, { subject = '', words, contentLanguage = '' }: ReturnedMail): string {
  const { stopWords, catalog } = context;
  const base = contentLanguage.split(',').map((tag) => tag.trim().slice(0, 2).toLowerCase());
  const wanted = [...languageWritten(`${subject}\n${words}`, stopWords), ...base];
  const find = (code: string) => catalog.languages.find((language) => language.slice(0, 2).toLowerCase() === code);
  return wanted.map(find).find((language) => language !== undefined) ?? catalog.languages[0] ?? 'en';
}

/** Tells a person whose word nobody checked, with an undo; at most once a day. As the public form does. */
async function notify(context: MailInContext, point: ContactPoint, event: string, mail: ReturnedMail): Promise<void> {
  const { catalog, notices, post, publicUrl, links, clock } = context;
  const brand = catalog.brands.find(({ retired }) => !retired) ?? catalog.brands[0];
  if (!brand) return;
  const language = languageOf(context, mail);
  const isWithinLimit = await notices.consume('all').then(
    () => true,
    () => false,
  );
  if (!isWithinLimit) return;
  await post({
    id: `stopped:${event}`,
    template: 'stopped-notice',
    language,
    brand: brand.id,
    to: point.given,
    values: (lang) => ({
      receipt: event,
      undoLink: `${publicUrl()}/p/${links.undo(point, brand.id, event, clock.now())}?lang=${lang}`,
    }),
    quota: { asker: 'mail', perDay: 1 },
  });
}

async function settleFinding(
  context: MailInContext,
  mail: ReturnedMail,
  finding: Finding,
  identity: string,
  rawHash: string,
  o: ReceiveOptions,
) {
  const { review, recordOnce, softBounces } = context;
  const { what } = finding;
  const { kind, address, reason, status } = finding;
  const base = {
    kind,
    ...(address === undefined ? {} : { address }),
    ...(reason === undefined ? {} : { reason }),
    ...(status === undefined ? {} : { status }),
  };
  if (what.act === 'ignore') return { ...base, why: what.why, outcome: 'ignored' as const };
  const contact = contactKeyText(what.key);
  if (what.act === 'review') {
    if (o.dryRun) return { ...base, contact, why: what.why, outcome: 'would_review' as const };
    const entry = await review.hold({
      kind: kind as ReviewKind,
      point: what.point,
      key: what.key,
      identity,
      why: what.why,
      reason,
      status,
      via: o.via,
      tokenOf: what.tokenOf,
      facts: factsOf(mail, finding),
    });
    return entry.outcome === 'full'
      ? { ...base, contact, why: 'review_full', outcome: 'ignored' as const }
      : { ...base, contact, why: what.why, review: entry.id, outcome: 'review' as const };
  }
  if (o.dryRun) return { ...base, contact, outcome: 'would_record' as const };
  const draft = draftOf(mail, finding, what, o.via);
  const act = `${identity}\n${kind}\n${what.key.toString('hex')}\n${scopeText(wholeScope(what.event.scope))}`;
  const writer = createHash('sha256').update(act).digest('base64url').slice(0, 32);
  const id = await recordOnce(draft, 'mail', [writer, `${writer}.${rawHash}`]);
  if (what.notice) await notify(context, what.notice, id, mail);
  const hard = kind === 'soft' ? await softBounces.settle(draft.subject, { id }) : undefined;
  return {
    ...base,
    contact,
    receipt: `r_${id}`,
    ...(hard ? { turnedHard: `r_${hard.id}` } : {}),
    outcome: 'recorded' as const,
  };
}

/**
 * Takes one message. Everything it says is durable when this resolves; the same message again changes nothing.
 * Throws HushError: `too_large`; `unavailable` when the record cannot be reached, or a token may be genuine that only
 * another process can open, and then the whole message is to be given again.
 *
 * @param raw RFC 5322, as received; at most 10 MB
 * @example
 * const { recognised } = await mailIn.receive(await readFile('bounce.eml'), { via: 'cli' });
 * // [{ kind: 'hard', address: 'jane@example.org', reason: 'userunknown', status: '5.1.1', receipt: 'r_…', outcome: 'recorded' }]
 */
async function receive(context: MailInContext, raw: Buffer, options: ReceiveOptions): Promise<Reception> {
  const { rules, clock, addresses, links, keyring, country, stopWords } = context;
  if (raw.length > MAX_MAIL_BYTES) {
    throw new HushError('too_large', 'this message is larger than 10 MB', {
      remedy: 'send the report without its attachments; its headers are enough',
    });
  }
  const mail = parseReturnedMail(raw, rules);
  const rawHash = createHash('sha256').update(raw).digest('base64url');
  const identity = mail.messageId ?? rawHash;
  const found = findingsOf(mail, options.envelopeTo ?? [], clock.now(), {
    addresses,
    links,
    keyring,
    country,
    stopWords,
  });
  if (found.some(lacksProof)) await context.requireKeys();
  const recognised: Recognised[] = [];
  // One after another: a report names few contacts, and a soft bounce must be there before bounces are counted.
  for (const finding of found) {
    const result = await settleFinding(context, mail, finding, identity, rawHash, options);
    recognised.push(result);
    context.onRecognised?.(result.kind, result.outcome);
  }
  return { recognised };
}

/** Takes mail that comes back: `mailto:` unsubscribes, bounces, complaints. One function for every way in. */
export function createMailIn(parts: MailInParts) {
  const country = parts.catalog.group.defaultCountry;
  const recordOnce = createRecordOnce({ accept: parts.accept, receipts: parts.receipts, keyring: parts.keyring });
  const addresses = createInboundAddresses({ keyring: parts.keyring, catalog: parts.catalog });
  const notices = new RateLimiterMemory({ points: NOTICES_A_MINUTE, duration: 60 });
  const context: MailInContext = { ...parts, notices, recordOnce, addresses, country };
  return {
    addresses,
    requireKeys: parts.requireKeys,
    receive: (raw: Buffer, options: ReceiveOptions) => receive(context, raw, options),
  };
}

export type MailIn = ReturnType<typeof createMailIn>;
