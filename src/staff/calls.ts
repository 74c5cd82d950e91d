import type { Logger } from 'pino';
import { brandById, type Catalog, say } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, contactKeyText, type Keyring } from '../core/keys.js';
import type { Accept } from '../preferences/accept.js';
import { acceptEach } from '../preferences/accept-each.js';
import type { Accepted, Draft } from '../preferences/draft.js';
import type { Links } from '../preferences/links.js';
import type { Post } from '../preferences/outgoing-mail.js';
import { type Undo, undoDraft, undoStep } from '../preferences/undo.js';
import { unavailable } from '../store/connect.js';
import type { StaffCall, StaffCalls } from '../store/staff-calls.js';
import type { StaffUser } from './audit-trail.js';
import type { Caller } from './find-caller.js';
import { type OptOutOption, scopesOfOption } from './opt-out-options.js';

/** How a caller was verified. An opt-out needs none of it; a lift, access and deletion do. */
export const VERIFICATIONS = ['none', 'account', 'called_back', 'mail_code', 'authority'] as const;
export type Verification = (typeof VERIFICATIONS)[number];

/** Who called and what they said: evidence of what the call becomes. */
export interface CallerStatement {
  readonly caller: 'self' | 'other';
  readonly callerName: string;
  readonly verification: Verification;
  readonly words: string;
}

/** So that name and words fit into 1 kB of evidence, whatever the letters. */
const NAME = 60;
const WORDS = 240;

export function evidenceOfStatement(said: CallerStatement): Record<string, string> {
  return {
    caller: said.caller,
    verification: said.verification,
    ...(said.callerName ? { callerName: said.callerName.slice(0, NAME) } : {}),
    ...(said.words ? { words: said.words.slice(0, WORDS) } : {}),
  };
}

/** Who of the staff acted, as the ledger keeps it under seal. */
export const actorOf = (user: StaffUser): string => `staff ${user.id} (${user.name})`.slice(0, 120);

/** Names a call as the source of its events, so that undoing it touches nothing else. */
export const tagOf = (call: string): string => `call-${call.toLowerCase()}`;

interface CallParts {
  readonly accept: Accept;
  readonly undo: Undo;
  readonly store: StaffCalls;
  readonly links: Links;
  readonly post: Post;
  readonly catalog: Catalog;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly publicUrl: () => string;
  readonly log: Logger;
}

/** False when it could not be queued; the opt-out counts all the same. */
async function queueConfirmation(
  parts: CallParts,
  to: ContactPoint,
  language: string,
  option: OptOutOption,
  brand: string,
  first: Accepted,
  events: readonly string[],
  asker: string,
): Promise<boolean> {
  const { catalog, links, clock, log } = parts;
  const from = brand === '*' ? (catalog.brands[0]?.id ?? '') : brand;
  const name = brandById(catalog, brand)?.name ?? catalog.group.name;
  try {
    const outcome = await parts.post({
      id: `call:${first.id}`,
      template: 'change-confirmation',
      language,
      brand: from,
      to: to.given,
      values: (lang) => ({
        changes: [`${say(option.confirmationText, lang)} (${name})`],
        receipt: `r_${events[0] ?? first.id}`,
        // An undo link names one event of the address that it is sent to. Else the person gets a link that can do everything.
        undoLink:
          events.length === 1 && contactKeyText(contactKeyBytes(parts.keyring, to)) === first.contact
            ? `${parts.publicUrl()}/p/${links.undo(to, from, first.id, clock.now())}?lang=${lang}`
            : `${parts.publicUrl()}/preferences?lang=${lang}`,
      }),
      quota: { asker, perDay: 5 },
    });
    return outcome !== 'over_quota';
  } catch (error) {
    log.warn({ err: error }, 'a call is recorded, but its confirmation could not be queued');
    return false;
  }
}

/**
 * Records an opt-out. It is never refused because the caller could not be verified, and is durable before anybody is
 * told a number. The same call sent again gives the same numbers.
 *
 * @param call its id, made with the form
 */
async function recordCall(
  parts: CallParts,
  user: StaffUser,
  call: string,
  caller: Caller,
  act: {
    readonly option: OptOutOption;
    readonly brand: string;
    readonly said: CallerStatement;
    readonly confirmTo?: ContactPoint | undefined;
    readonly language: string;
  },
): Promise<StaffCall> {
  const { accept, clock, store, log } = parts;
  const wholePerson = caller.contact?.person !== undefined;
  const drafts = scopesOfOption(act.option, act.brand).map(
    (scope, at): Draft => ({
      subject: caller.subject,
      type: 'opted_out',
      scope,
      source: { kind: 'phone', destination: tagOf(call) },
      actor: actorOf(user),
      evidence: evidenceOfStatement(act.said),
      writer: { name: 'staff-call', id: `${call}:${at}` },
      ...(wholePerson ? { reach: 'person' as const } : {}),
    }),
  );
  const accepted = await acceptEach(accept, drafts);
  const [first] = accepted;
  if (!first) throw new Error('an option has no scope');
  const events = accepted.map(({ id }) => id);
  const confirmation =
    act.confirmTo === undefined
      ? ('none' as const)
      : (await queueConfirmation(
            parts,
            act.confirmTo,
            act.language,
            act.option,
            act.brand,
            first,
            events,
            `staff:${user.id}`,
          ))
        ? ('queued' as const)
        : ('failed' as const);
  const record: StaffCall = {
    id: call,
    at: new Date(clock.now()),
    user: user.id,
    userName: user.name,
    contact: caller.key,
    contactType: caller.type,
    wish: act.option.id,
    brand: act.brand,
    events,
    wholePerson,
    confirmation,
    caller: act.said.caller,
    verification: act.said.verification,
  };
  try {
    await store.keep(record);
  } catch (error) {
    // The opt-out is in; what is missing is a line in the day's list.
    log.error({ err: error, receipts: events }, 'a call is recorded, but not in the list of calls');
  }
  return record;
}

/**
 * Takes a call back by new events: grants that lift only what came through this very call, so that an older opt-out stays.
 * After a later one nothing of it is lifted. Whoever took the call cannot undo it: a second person looks. Throws `conflict` when it was undone.
 */
async function undoCall(
  parts: CallParts,
  user: StaffUser,
  call: StaffCall,
  reason: string,
): Promise<{ events: readonly string[]; standing: number }> {
  const { undo, accept, store, clock } = parts;
  if (call.user === user.id) {
    throw new HushError('forbidden', 'you cannot undo your own call', { remedy: 'ask another supervisor' });
  }
  if (call.undone) throw new HushError('conflict', 'this call has been undone already', { remedy: 'look at it again' });
  try {
    const tag = tagOf(call.id);
    const plan = await undo.plan([call.contact], { through: tag });
    if (plan.steps.length === 0) {
      const stands = plan.standing.length > 0;
      throw new HushError(
        'conflict',
        stands ? 'the person has opted out again besides this call' : 'nothing of this call is in force any more',
        { remedy: 'look at the person’s page' },
      );
    }
    const drafts = plan.steps.map((undone): Draft => {
      const draft = undoDraft(undone);
      return {
        ...draft,
        source: { kind: 'staff', destination: tag },
        actor: actorOf(user),
        evidence: { ...draft.evidence, reason: reason.slice(0, WORDS) },
        writer: { name: 'staff-call-undo', id: `${call.id}:${undoStep(undone)}` },
      };
    });
    const accepted = await acceptEach(accept, drafts);
    const events = accepted.map(({ id }) => id);
    await store.markUndone(call.id, { at: new Date(clock.now()), user: user.id, userName: user.name, events });
    return { events, standing: plan.standing.length };
  } catch (error) {
    throw unavailable(error);
  }
}

/** Opt-outs by phone: recorded at once, confirmed if the caller wants it, undone by a new event. */
export function createCalls(parts: CallParts) {
  const { store } = parts;

  return {
    record: recordCall.bind(undefined, parts),

    get: (id: string): Promise<StaffCall | undefined> => store.get(id),
    list: store.list,
    count: store.count,
    users: store.users,

    undo: undoCall.bind(undefined, parts),
  };
}

export type Calls = ReturnType<typeof createCalls>;
