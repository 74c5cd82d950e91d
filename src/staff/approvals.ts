import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import { EMPTY_STATE, fold } from '../core/fold.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { wasDeniedSince } from '../core/opening.js';
import type { Channel, Purpose, Scope } from '../core/scope.js';
import { type Cipher, createCipher } from '../core/seal.js';
import type { Accept } from '../preferences/accept.js';
import { acceptEach } from '../preferences/accept-each.js';
import type { Draft } from '../preferences/draft.js';
import { unavailable } from '../store/connect.js';
import type { Contacts } from '../store/contacts.js';
import type { Approval, ApprovalKind, StaffApprovals } from '../store/staff-approvals.js';
import type { StaffUser } from './audit-trail.js';
import { actorOf, type CallerStatement, evidenceOfStatement } from './calls.js';
import type { Caller } from './find-caller.js';

/** A lift waits so long (ms) for its second person: then the caller is to be asked again. */
const LIFT_WAITS = 7 * DAY_MS;
/** An erasure waits as long (ms) as a lift: the request's own clock goes on. */
const ERASURE_WAITS = LIFT_WAITS;
/** A list with addresses is asked for, confirmed and fetched within a day (ms). */
const EXPORT_WAITS = DAY_MS;

/** What a caller asked to have opened again. */
export interface Lift {
  readonly scopes: readonly Scope[];
  /** With a notice it is a consent to that text, read aloud; without one only the opt-out is lifted. */
  readonly notice?: { readonly id: string; readonly version: string };
  readonly wording?: string;
}

export interface ListWanted {
  readonly brand: string;
  readonly channel: Channel;
  readonly purpose: Purpose;
}

/** The scopes of a lift; one that was asked for in earlier days has one. */
export function scopesOfLift(approval: Approval): readonly Scope[] {
  const { scopes, scope } = approval.details as { readonly scopes?: readonly Scope[]; readonly scope?: Scope };
  return scopes ?? (scope ? [scope] : []);
}

/** An erasure that waits: of which request, and of which contacts (hex) as they were proven when it was asked for. */
export interface ErasureWanted {
  readonly request: string;
  readonly contacts: readonly string[];
}

/** What was written with an approval; gone after an erasure. */
export interface Written {
  readonly said?: CallerStatement;
  readonly wording?: string;
  readonly reason?: string;
  /** Why it was refused. */
  readonly refusal?: string;
}

interface ApprovalParts {
  readonly store: StaffApprovals;
  readonly accept: Accept;
  readonly contacts: Contacts;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly machine: Pick<Machine, 'randomBytes'>;
}

interface ApprovalContext extends Omit<ApprovalParts, 'keyring'> {
  readonly sealer: Cipher;
}

function sealedWith({ sealer }: Pick<ApprovalContext, 'sealer'>, id: string, text: Written) {
  return sealer.seal(Buffer.from(JSON.stringify(text)), Buffer.from(id));
}

async function askFor(
  context: Pick<ApprovalContext, 'clock' | 'machine' | 'store' | 'sealer'>,
  user: StaffUser,
  kind: ApprovalKind,
  details: Readonly<Record<string, unknown>>,
  written: Written,
  waits: number,
  contact?: Buffer,
): Promise<string> {
  const { clock, store } = context;
  const id = encodeBase32(context.machine.randomBytes(10)).toLowerCase();
  const now = clock.now();
  try {
    await store.ask({
      id,
      kind,
      at: new Date(now),
      until: new Date(now + waits),
      user: user.id,
      userName: user.name,
      details,
      sealed: sealedWith(context, id, written),
      ...(contact ? { contact } : {}),
    });
  } catch (error) {
    throw unavailable(error);
  }
  return id;
}

function writtenWith({ sealer }: Pick<ApprovalContext, 'sealer'>, approval: Approval): Written {
  const plain = approval.sealed && sealer.open(approval.sealed, Buffer.from(approval.id));
  return plain ? (JSON.parse(plain.toString('utf8')) as Written) : {};
}

/** The one that waits, or why it cannot be decided by this user. */
function checkDecidable({ clock }: Pick<ApprovalContext, 'clock'>, approval: Approval, user: StaffUser): void {
  if (approval.user === user.id) {
    throw new HushError('forbidden', 'you cannot decide on your own request', { remedy: 'ask somebody else' });
  }
  if (approval.status !== 'waiting' || approval.until.getTime() <= clock.now()) {
    throw new HushError('conflict', 'this has been decided or has expired', { remedy: 'look at it again' });
  }
}

async function decide(
  context: Pick<ApprovalContext, 'clock' | 'store' | 'sealer'>,
  approval: Approval,
  user: StaffUser,
  to: 'confirmed' | 'refused',
  refusal?: string,
): Promise<void> {
  const { clock, store } = context;
  checkDecidable(context, approval, user);
  const decided = { at: new Date(clock.now()), user: user.id, userName: user.name };
  if (
    !(await store.move(approval.id, 'waiting', to, {
      decided,
      ...(refusal === undefined
        ? {}
        : { sealed: sealedWith(context, approval.id, { ...writtenWith(context, approval), refusal }) }),
    }))
  ) {
    throw new HushError('conflict', 'somebody else has just decided', { remedy: 'look at it again' });
  }
}

/** True when the person has said no since a lift was asked for: it would lift what its caller never spoke of. */
async function isOvertaken({ contacts }: Pick<ApprovalContext, 'contacts'>, approval: Approval): Promise<boolean> {
  if (approval.kind !== 'lift' || !approval.contact) return false;
  try {
    const contact = await contacts.get(approval.contact);
    const state = fold(contact?.state ?? EMPTY_STATE, contact?.pending ?? []);
    return scopesOfLift(approval).some((scope) => wasDeniedSince(state, scope, approval.at.getTime()));
  } catch (error) {
    throw unavailable(error);
  }
}

/** Asks for a lift. The caller must have been verified: unlike an opt-out, this takes something away from the person. */
async function requestLift(
  context: Pick<ApprovalContext, 'clock' | 'machine' | 'store' | 'sealer'>,
  user: StaffUser,
  caller: Caller,
  lift: Lift,
  said: CallerStatement,
): Promise<string> {
  if (said.verification === 'none') {
    throw new HushError('invalid', 'a lift needs a verified caller', {
      field: 'verification',
      remedy: 'verify the caller first, or send them a link to their own preference page',
    });
  }
  const { wording, ...details } = lift;
  return askFor(
    context,
    user,
    'lift',
    { ...details },
    { said, ...(wording ? { wording } : {}) },
    LIFT_WAITS,
    caller.key,
  );
}

function requestExport(
  context: Pick<ApprovalContext, 'clock' | 'machine' | 'store' | 'sealer'>,
  user: StaffUser,
  wanted: ListWanted,
  reason: string,
): Promise<string> {
  return askFor(context, user, 'export', { ...wanted }, { reason }, EXPORT_WAITS);
}

/**
 * Confirms a lift: only now the grant is recorded, for the address that the caller was verified for and as of the time it
 * was asked for, so that whatever was denied since stands. Decided first, granted after: should this process die in
 * between, nothing is opened, and the same supervisor's repeat is told to look again. Throws `conflict` when the person has
 * said no since.
 */
async function confirmLift(context: ApprovalContext, user: StaffUser, approval: Approval): Promise<readonly string[]> {
  const { contacts, accept, store } = context;
  try {
    if (await isOvertaken(context, approval)) {
      throw new HushError('conflict', 'the person has opted out again since this was requested', {
        remedy: 'refuse it; if they still want it, make a new request',
      });
    }
    await decide(context, approval, user, 'confirmed');
    const contact = approval.contact && (await contacts.get(approval.contact));
    if (!contact)
      throw new HushError('conflict', 'the contact is not known any more', { remedy: 'ask the caller again' });
    const { notice } = approval.details as unknown as Lift;
    const { said, wording } = writtenWith(context, approval);
    const draftOf = (scope: Scope, at: number): Draft => ({
      subject: { key: contact.key, type: contact.type },
      type: notice ? 'consent_granted' : 'opted_in',
      scope,
      at: approval.at.getTime(),
      lifts: 'any',
      source: { kind: 'phone' },
      actor: actorOf({ id: approval.user, name: approval.userName, roles: [] }),
      evidence: {
        ...(said ? evidenceOfStatement(said) : {}),
        ...(wording ? { wording: wording.slice(0, 300) } : {}),
        confirmedBy: user.id.slice(0, 80),
      },
      // The first as it was when a lift had one scope: a repeat after an update is the same event.
      writer: { name: 'staff-approval', id: at === 0 ? approval.id : `${approval.id}:${at}` },
      ...(notice ? { notice } : {}),
    });
    const events = (await acceptEach(accept, scopesOfLift(approval).map(draftOf))).map(({ id }) => id);
    await store.move(approval.id, 'confirmed', 'used', { events });
    return events;
  } catch (error) {
    throw unavailable(error);
  }
}

function requestErasure(
  context: Pick<ApprovalContext, 'clock' | 'machine' | 'store' | 'sealer'>,
  user: StaffUser,
  wanted: ErasureWanted,
  contact: Buffer,
): Promise<string> {
  return askFor(context, user, 'erasure', { ...wanted }, {}, ERASURE_WAITS, contact);
}

/** Decided first, done after: should this process die in between, nothing is erased, and it is asked for again. */
async function confirmErasure(
  context: Pick<ApprovalContext, 'store' | 'clock' | 'sealer'>,
  user: StaffUser,
  approval: Approval,
  erase: (wanted: ErasureWanted) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const { store } = context;
  await decide(context, approval, user, 'confirmed');
  const events = await erase(approval.details as unknown as ErasureWanted);
  await store.move(approval.id, 'confirmed', 'used', { events });
  return events;
}

/** True for the first time whoever asked fetches it, within the day. */
async function useExport(
  context: Pick<ApprovalContext, 'clock' | 'store'>,
  user: StaffUser,
  approval: Approval,
): Promise<boolean> {
  const { clock, store } = context;
  if (approval.kind !== 'export' || approval.user !== user.id || approval.until.getTime() <= clock.now()) return false;
  return store.move(approval.id, 'confirmed', 'used');
}

/** What needs a second person: one asks, another confirms or refuses, and nothing happens before that. */
export function createApprovals({ keyring, ...parts }: ApprovalParts) {
  const context: ApprovalContext = { ...parts, sealer: createCipher(keyring, 'staff-approval') };
  const { store, clock } = context;

  return {
    written: writtenWith.bind(undefined, context),
    get: (id: string) => store.get(id),
    list: store.list,
    countWaiting: () => store.countWaiting(new Date(clock.now())),
    isExpired: (approval: Approval) => approval.status === 'waiting' && approval.until.getTime() <= clock.now(),

    isOvertaken: isOvertaken.bind(undefined, context),

    requestLift: requestLift.bind(undefined, context),

    requestExport: requestExport.bind(undefined, context),

    confirmLift: confirmLift.bind(undefined, context),

    confirmExport: (user: StaffUser, approval: Approval): Promise<void> => decide(context, approval, user, 'confirmed'),
    /** @param why kept under seal, and shown to whoever asked */
    refuse: (user: StaffUser, approval: Approval, why: string): Promise<void> =>
      decide(context, approval, user, 'refused', why),

    requestErasure: requestErasure.bind(undefined, context),

    waitingErasure: (request: string) => store.waitingErasure(request, new Date(clock.now())),

    confirmErasure: confirmErasure.bind(undefined, context),

    notified: store.notified,

    useExport: useExport.bind(undefined, context),
  };
}

export type Approvals = ReturnType<typeof createApprovals>;
