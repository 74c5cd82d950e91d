import { randomBytes } from 'node:crypto';
import { encodeBase32 } from '../../core/base32.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { stateOf } from '../../core/contact-state.js';
import { HushError } from '../../core/errors.js';
import { presentAt, type State } from '../../core/fold.js';
import { contactKeyText } from '../../core/keys.js';
import type { Scope } from '../../core/scope.js';
import { inForce, type StandingDenial } from '../../core/standing.js';
import { spelledBack } from '../../staff/caller-text.js';
import { type CallerStatement, type Calls, VERIFICATIONS, type Verification } from '../../staff/calls.js';
import type { Caller, FindCaller } from '../../staff/find-caller.js';
import { OPT_OUT_OPTIONS, optOutOptionById } from '../../staff/opt-out-options.js';
import type { PersonFiles } from '../../staff/person.js';
import { allowLook } from '../middleware/session.js';
import { ownPageOf } from './own-number.js';
import { type StaffShell, sentenceOf, type Visit } from './shell.js';
import { brandOptions, scopeWords } from './words.js';

export interface CallParts {
  readonly find: FindCaller;
  readonly calls: Calls;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

/** What of the form says who called and how sure that is. */
export function statementFrom(visit: Visit): CallerStatement {
  const verification = VERIFICATIONS.find((item) => item === visit.field('verification')) ?? ('none' as Verification);
  return {
    caller: visit.field('caller') === 'other' ? 'other' : 'self',
    callerName: visit.field('callerName'),
    verification,
    words: visit.field('words'),
  };
}

/** An address that was typed, in full for whoever typed it; one that was found by a name or number stays masked. */
const typedAddress = ({ subject, masked }: Caller): string =>
  'point' in subject && subject.point.type !== 'postal' ? subject.point.given : masked;

const callId = (): string => encodeBase32(randomBytes(10)).toLowerCase();

const NOBODY_FOUND =
  'We found nobody, and this is not an address. Ask for an email address or a phone number: an address we have never seen is fine.';

/** What the screen shows: nothing yet, whom it may be, or whom the form is about. */
interface Found {
  readonly find: string;
  readonly chosen?: Caller;
  readonly among?: readonly Caller[];
  readonly fault?: string;
}

/** A caller who is known, as the agent sees them. Looking is logged, with the call as the reason. */
async function callerSummary(parts: CallParts, visit: Visit, caller: Caller) {
  const { find, files, clock } = parts;
  if (!caller.contact) return undefined;
  const linked = await find.linked(caller.contact);
  const file = await files.read(caller.contact, false);
  allowLook(
    visit.session,
    linked.map(({ key }) => key),
    'call',
    '',
    clock,
  );
  await visit.record({ kind: 'look', what: 'caller_found', contact: caller.key, reason: 'call' });
  const email = find.emailOf([caller.contact, ...linked]);
  return {
    href: `/staff/contacts/${contactKeyText(caller.key)}`,
    relationship: file.relationship,
    jurisdiction: file.jurisdiction,
    linked: linked.slice(1).map((contact) => files.masked(contact)),
    wholePerson: caller.contact.person !== undefined,
    standing: optOutsOf(parts, visit, file.state),
    email: email && caller.type !== 'email',
  };
}

/** What stands of what the person said no to, an event a line, the latest first: a signal denies five uses at once. */
function optOutsOf({ catalog, clock }: Pick<CallParts, 'catalog' | 'clock'>, visit: Visit, state: State) {
  const words = (scope: Scope) => scopeWords(visit.pages, catalog, scope);
  const byEvent = new Map<string, StandingDenial[]>();
  for (const item of inForce(state, presentAt(state, clock.now())).denials) {
    const { id } = item.denial;
    byEvent.set(id, [...(byEvent.get(id) ?? []), item]);
  }
  return [...byEvent.values()]
    .flatMap(([first, ...more]) =>
      first
        ? [
            {
              at: first.denial.at,
              type: first.denial.type,
              until: first.denial.until,
              words:
                more.length === 0 ? words(first.denial.scope) : `${more.length + 1} uses of data for ads and sharing`,
              except: [first, ...more].flatMap(({ except }) => except.map(words)),
            },
          ]
        : [],
    )
    .sort((a, b) => b.at - a.at);
}

async function showCallPage(parts: CallParts, visit: Visit, state: Found): Promise<void> {
  const { catalog } = parts;
  const { chosen } = state;
  const known = chosen ? await callerSummary(parts, visit, chosen) : undefined;
  await visit.page('call', {
    title: 'New call',
    find: state.find,
    fault: state.fault,
    among: (state.among ?? []).map((caller) => ({
      key: contactKeyText(caller.key),
      type: caller.type,
      typed: typedAddress(caller),
      known: caller.known,
    })),
    chosen: chosen && {
      key: contactKeyText(chosen.key),
      type: chosen.type,
      typed: typedAddress(chosen),
      spelled: chosen.known ? undefined : spelledBack(typedAddress(chosen)),
      known: chosen.known,
      mail: chosen.type === 'email' || known?.email,
    },
    summary: known,
    elsewhere: chosen?.others ? optOutsOf(parts, visit, stateOf(undefined, chosen.others)) : [],
    call: callId(),
    wishes: OPT_OUT_OPTIONS,
    brands: brandOptions(catalog),
    verifications: VERIFICATIONS,
    languages: catalog.languages,
  });
}

/** Whom a form is about: what was looked for, and which of them was chosen. */
async function callersFor(
  { find }: Pick<CallParts, 'find'>,
  text: string,
  wanted: string,
): Promise<{ all: readonly Caller[]; chosen?: Caller | undefined }> {
  const all = await find.find(text);
  const [only] = all;
  const chosen =
    wanted === '' ? (all.length === 1 ? only : undefined) : all.find(({ key }) => contactKeyText(key) === wanted);
  return { all, chosen };
}

/** What was found of what the draft says. */
async function callersFound(parts: Pick<CallParts, 'find'>, visit: Visit): Promise<Found> {
  const text = visit.drafted('find');
  if (text === '') return { find: text };
  try {
    const { all, chosen } = await callersFor(parts, text, visit.drafted('contact'));
    if (all.length > 0) return chosen ? { find: text, chosen } : { find: text, among: all };
    return { find: text, fault: NOBODY_FOUND };
  } catch (error) {
    if (!(error instanceof HushError) || error.kind !== 'invalid') throw error;
    return { find: text, fault: sentenceOf(error) };
  }
}

async function showCallForm(parts: CallParts, visit: Visit) {
  const state = await callersFound(parts, visit);
  if (state.fault) await visit.record({ kind: 'look', what: 'caller_not_found', reason: 'call' });
  await showCallPage(parts, visit, state);
}

async function findCaller({ find }: Pick<CallParts, 'find'>, visit: Visit) {
  const text = visit.field('find');
  if (text === '') return visit.again('Type what the caller gives you.');
  const own = await ownPageOf(visit, text, find);
  if (own) return visit.go(own);
  await visit.goWith('/staff/call');
}

async function recordCall(parts: CallParts, visit: Visit) {
  const { catalog, find, calls, clock } = parts;
  const { all, chosen } = await callersFor(parts, visit.field('find'), visit.field('contact'));
  const option = optOutOptionById(visit.field('wish'));
  const brand = visit.field('brand') || '*';
  const call = visit.field('call');
  if (!chosen) return visit.again(all.length > 1 ? 'Choose who is calling.' : NOBODY_FOUND);
  if (!option || !/^[0-9a-z]{16}$/.test(call) || (brand !== '*' && !brandById(catalog, brand))) {
    return visit.again('Choose what the caller opts out of.');
  }
  const linked = chosen.contact ? await find.linked(chosen.contact) : [];
  const typed = 'point' in chosen.subject && chosen.type === 'email' ? chosen.subject.point : undefined;
  const confirmTo = visit.field('confirm') === 'mail' ? (typed ?? find.emailOf(linked)) : undefined;
  const done = await calls.record(visit.user, call, chosen, {
    option,
    brand,
    said: statementFrom(visit),
    confirmTo,
    language: catalog.languages.find((code) => code === visit.field('language')) ?? 'en',
  });
  // Somebody never seen before has a page from now on, and the call is the reason to open it.
  allowLook(visit.session, [chosen.key], 'call', '', clock);
  await visit.record({
    kind: 'change',
    what: 'call_recorded',
    contact: chosen.key,
    reason: 'call',
    about: done.events.map((event) => `r_${event}`).join(' '),
  });
  await visit.go(`/staff/calls/${call}`);
}

/**
 * `/staff/call`: one screen, by keyboard: type whom, Enter, choose what, Enter. Whoever is looked for is sent in a form, so
 * that no address is ever in a path, a history or a log.
 */
export function callPages(parts: CallParts) {
  return (shell: StaffShell): void => {
    shell.navigate({ group: 'Calls', href: '/staff/call', label: 'New call', permission: 'calls.record' });

    shell.get('/staff/call', 'calls.record', (visit) => showCallForm(parts, visit));

    shell.post('/staff/call', 'calls.record', (visit) => findCaller(parts, visit));

    shell.post('/staff/call/record', 'calls.record', (visit) => recordCall(parts, visit));
  };
}
