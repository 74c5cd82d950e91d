import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { utcDay } from '../../core/calendar.js';
import { brandById, type Catalog, say } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { numberOfScheme } from '../../core/contact-scheme.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, contactKeyText, type Keyring } from '../../core/keys.js';
import { EVERYTHING, scopeText } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import { acceptEach } from '../../preferences/accept-each.js';
import type { LanguageOf } from '../../preferences/contact-language.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { Draft } from '../../preferences/draft.js';
import type { Receipts } from '../../preferences/receipts.js';
import type { OutboxStore } from '../../store/outbox.js';
import { truncatedEvidence } from '../evidence.js';
import { createRecordOnce } from '../record-once.js';
import type { InboundReview } from '../review.js';
import { meaningOf } from './meaning.js';
import { stopScopes } from './stop.js';
import type { TextWords } from './text-words.js';

/** Names texting as the source, so that START lifts what STOP made and nothing else. */
export const TEXT_SOURCE = 'text-messages';

/** Answers a day and person. One confirmation of STOP (47 CFR 64.1200(a)(12)); HELP is bounded so that two machines do not talk for ever. */
const A_DAY = { stop: 1, start: 1, help: 10 } as const;

export type TextAct = 'stop' | 'start' | 'help' | 'unclear' | 'none';

/** A text that came in, with its signature already checked. */
export interface TextMessage {
  /** The provider's own id, which its retries repeat (Twilio: MessageSid). */
  readonly id: string;
  readonly from: string;
  /** The number of ours it was sent to. */
  readonly to: string;
  readonly body: string;
  /** The provider handled a keyword itself and has answered already (Twilio: OptOutType). */
  readonly handled?: 'stop' | 'start' | 'help' | undefined;
}

export interface TextResult {
  readonly act: TextAct;
  /** `r_…`, of each event. */
  readonly receipts: readonly string[];
  /** To be sent back; absent where nothing is to be said. */
  readonly reply?: string;
}

interface TextInParts {
  readonly words: TextWords;
  /** Our numbers (E.164 or short codes) with the brand that speaks from each. */
  readonly numbers: Readonly<Record<string, string>>;
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly receipts: Pick<Receipts, 'get'>;
  readonly review: Pick<InboundReview, 'hold'>;
  /** Keeps answers to so many a day (`stores.outbox`). */
  readonly quota: Pick<OutboxStore, 'takeSlot'>;
  readonly decisions: Pick<Decisions, 'decideAll'>;
  readonly languageOf: LanguageOf;
  readonly catalog: Catalog;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  /** Called with every text, for the metrics. */
  readonly onText?: (act: TextAct) => void;
}

interface TextInContext extends TextInParts {
  readonly recordOnce: ReturnType<typeof createRecordOnce>;
  readonly brands: Map<string, string>;
}

/** Undefined for a sender that is no phone: a short code or a name. `whatsapp:+1…` is the phone behind it. */
function senderOf(context: TextInContext, from: string): ContactPoint | undefined {
  try {
    return normaliseContact({ phone: from }, context.catalog.group.defaultCountry);
  } catch (error) {
    if (error instanceof HushError) return undefined;
    throw error;
  }
}

function plainNumber(text: string): string {
  return (numberOfScheme(text) ?? text).replace(/[\s().-]/g, '');
}

function draftsOf(act: 'stop' | 'start', point: ContactPoint, brand: string | undefined, text: TextMessage): Draft[] {
  const fields = {
    subject: { point },
    source: { kind: 'sms', destination: TEXT_SOURCE },
    evidence: truncatedEvidence({
      text: text.body.slice(0, 400),
      to: text.to.slice(0, 40),
      messageId: text.id.slice(0, 80),
      handledByProvider: text.handled,
    }),
  } as const;
  if (act === 'stop') return stopScopes().map((scope) => ({ ...fields, type: 'opted_out', scope }));
  // Only the brand that was texted, and texts alone: nobody asks for calls by START. It lifts what STOP made here, gives
  // no consent (docs/decision-rules.md, 10), and so opens service texts; offers need a consent of their own.
  const scope = { ...EVERYTHING, brand: brand ?? '*', channel: 'sms' as const };
  return [{ ...fields, type: 'opted_in', scope, lifts: 'same_source' }];
}

/** STOP, when the record cannot be reached: without an id of the writer's the journal may keep it. */
async function recordWithoutWriterId(context: TextInContext, drafts: readonly Draft[]): Promise<string[]> {
  return (await acceptEach(context.accept, drafts)).map(({ id }) => `r_${id}`);
}

async function recordDrafts(
  context: TextInContext,
  act: 'stop' | 'start',
  drafts: readonly Draft[],
  text: TextMessage,
): Promise<string[]> {
  const other = createHash('sha256').update(`${text.from}\n${text.body}`).digest('base64url').slice(0, 16);
  try {
    return await Promise.all(
      drafts.map(async (draft) => {
        const id = `${text.id}:${scopeText(draft.scope ?? EVERYTHING)}`;
        return `r_${await context.recordOnce(draft, 'text', act === 'stop' ? [id, `${id}:${other}`] : [id])}`;
      }),
    );
  } catch (error) {
    if (act === 'stop' && error instanceof HushError && error.kind === 'unavailable')
      return recordWithoutWriterId(context, drafts);
    throw error;
  }
}

/** True when texts about the account may be sent now: START does not lift what was denied another way, or since. */
async function mayText(context: TextInContext, point: ContactPoint, brand: string): Promise<boolean> {
  const query = { brand, channel: 'sms', purpose: 'service', topic: '*' } as const;
  const [decision] = await context.decisions.decideAll(
    [{ key: contactKeyBytes(context.keyring, point), point }],
    query,
  );
  return decision?.allowed === true;
}

async function replyTo(
  context: TextInContext,
  act: 'stop' | 'start' | 'help',
  point: ContactPoint,
  brandId: string | undefined,
  language: string,
  text: TextMessage,
): Promise<string | undefined> {
  const { keyring, clock, catalog, words, quota, log } = context;
  if (text.handled !== undefined) return undefined;
  const contact = contactKeyText(contactKeyBytes(keyring, point));
  const now = new Date(clock.now());
  const replyBrand = brandId ?? catalog.brands[0]?.id ?? '';
  let reply = words.replies[act];
  try {
    const day = utcDay(now.getTime());
    // A retry of the same message, whose answer got lost, keeps its slot and is answered again.
    if (!(await quota.takeSlot(`text-${act}:${contact}`, day, A_DAY[act], text.id, now))) return undefined;
    // Somebody who is still stopped gets the number to call, not a promise that texts come again.
    if (act === 'start' && !(await mayText(context, point, replyBrand))) reply = words.replies.help;
  } catch (error) {
    // The opt-out is kept; one confirmation too few is lawful, one too many is not.
    log.warn({ err: error, act }, 'a text is not answered');
    return undefined;
  }
  const brand = brandId === undefined ? undefined : brandById(catalog, brandId);
  const fill: Readonly<Record<string, string>> = {
    brand: brand?.name ?? catalog.group.name,
    group: catalog.group.name,
    phone: brand?.phone ?? catalog.group.phone,
  };
  const own = await context.languageOf([{ key: contactKeyBytes(keyring, point), point }], language);
  return say(reply, own).replace(/\{(\w+)\}/g, (whole, name: string) => fill[name] ?? whole);
}

async function takeText(context: TextInContext, text: TextMessage): Promise<TextResult> {
  const { words, review, keyring, brands } = context;
  const point = senderOf(context, text.from);
  const meaning = meaningOf(text.body, words);
  // Whatever the provider made of it: who says stop in our words is stopped.
  const act = meaning.act === 'stop' ? 'stop' : (text.handled ?? meaning.act);
  if (!point || act === 'none') return { act: point ? act : 'none', receipts: [] };
  if (act === 'unclear') {
    await review.hold({
      kind: 'text',
      point,
      key: contactKeyBytes(keyring, point),
      identity: text.id,
      why: 'unclear_words',
      via: 'sms',
      facts: { text: text.body, to: text.to },
    });
    return { act, receipts: [] };
  }
  const brand = brands.get(plainNumber(text.to));
  const language = 'language' in meaning ? meaning.language : 'en';
  const recorded = act === 'help' ? [] : await recordDrafts(context, act, draftsOf(act, point, brand, text), text);
  const reply = await replyTo(context, act, point, brand, language, text);
  return { act, receipts: recorded, ...(reply === undefined ? {} : { reply }) };
}

/** Takes one text. Durable when it resolves. Throws HushError `unavailable`: the provider is to give it again. */
async function receive(context: TextInContext, text: TextMessage): Promise<TextResult> {
  const result = await takeText(context, text);
  context.onText?.(result.act);
  return result;
}

/** Takes texts: STOP, START and HELP in any words of `config/text-words.yaml`; what is unclear waits for a person. */
export function createTextIn(parts: TextInParts) {
  const recordOnce = createRecordOnce({ accept: parts.accept, receipts: parts.receipts, keyring: parts.keyring });
  const brands = new Map(Object.entries(parts.numbers).map(([number, brand]) => [plainNumber(number), brand]));
  const context: TextInContext = { ...parts, recordOnce, brands };
  return {
    receive: (text: TextMessage) => receive(context, text),
  };
}

export type TextIn = ReturnType<typeof createTextIn>;
