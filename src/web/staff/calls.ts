import { DAY_MS } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText, contactKeyText } from '../../core/keys.js';
import type { Calls } from '../../staff/calls.js';
import type { FindCaller } from '../../staff/find-caller.js';
import { OPT_OUT_OPTIONS, optOutOptionById } from '../../staff/opt-out-options.js';
import type { PersonFiles } from '../../staff/person.js';
import type { Ledger } from '../../store/ledger.js';
import type { CallFilter, StaffCall } from '../../store/staff-calls.js';
import { type List, sentAsCsv, viewList } from './list.js';
import { mayReadAbout } from './may-read.js';
import { ownPageOf } from './own-number.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { dateIn, receiptOf, spelled } from './words.js';

/** A call, and its contact as the visitor may see it. */
interface ListedCall {
  readonly call: StaffCall;
  readonly shown: string;
}

interface CallsPageParts {
  readonly calls: Calls;
  readonly find: FindCaller;
  readonly files: PersonFiles;
  readonly ledger: Ledger;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

function brandName({ catalog }: Pick<CallsPageParts, 'catalog'>, brand: string) {
  return brand === '*' ? 'the whole group' : (brandById(catalog, brand)?.name ?? brand);
}

function optOutLabel(call: StaffCall) {
  return optOutOptionById(call.wish)?.label ?? call.wish;
}

/** One's own call, or anybody's for those who review. Another's is as if it were not there. */
async function callOf({ calls }: Pick<CallsPageParts, 'calls'>, visit: Visit): Promise<StaffCall> {
  const call = await calls.get(visit.param('id'));
  if (!call || (call.user !== visit.user.id && !visit.may('calls.review')))
    throw new HushError('not_found', 'there is no such call');
  return call;
}

async function callDetails(parts: Pick<CallsPageParts, 'find' | 'ledger' | 'files'>, call: StaffCall) {
  const contact = (await parts.find.byKey(call.contact))?.contact;
  const [first = ''] = call.events;
  const event = (await parts.ledger.byId(first))?.event ?? contact?.pending.find(({ id }) => id === first);
  const evidence = contact && event ? parts.files.evidence(contact, event)?.evidence : undefined;
  return {
    masked: contact ? parts.files.masked(contact) : 'an address stored only in coded form',
    words: typeof evidence?.words === 'string' ? evidence.words : undefined,
    callerName: typeof evidence?.callerName === 'string' ? evidence.callerName : undefined,
  };
}

async function showCall(parts: CallsPageParts, visit: Visit, call: StaffCall): Promise<void> {
  const { clock } = parts;
  const { masked, words, callerName } = await callDetails(parts, call);
  await visit.record({ kind: 'look', what: 'call', contact: call.contact, reason: 'call', about: call.id });
  const own = call.user === visit.user.id;
  const readable = mayReadAbout(visit, { decides: 'calls.undo', own, contacts: [call.contact] }, clock);
  await visit.page('recorded', {
    title: own && !call.undone ? 'Recorded' : 'Call',
    call,
    own,
    masked: readable ? masked : undefined,
    words: readable ? words : undefined,
    callerName: readable ? callerName : undefined,
    wish: optOutLabel(call),
    brand: brandName(parts, call.brand),
    readout: spelled(call.events[0] ?? ''),
    receipts: call.events.map(receiptOf),
    undone: call.undone && { ...call.undone, receipts: call.undone.events.map(receiptOf) },
    mayUndo: !own && !call.undone && visit.may('calls.undo'),
    person: visit.may('people.view') ? `/staff/contacts/${contactKeyText(call.contact)}` : undefined,
  });
}

/** Contacts as this visitor may see them: masked for whoever has said why, or takes and reviews calls; else by their keys. */
async function shownContacts(
  parts: Pick<CallsPageParts, 'find' | 'clock' | 'files'>,
  visit: Visit,
  keys: readonly Buffer[],
): Promise<readonly string[]> {
  const { clock } = parts;
  const contacts = await parts.find.byKeys(keys);
  return keys.map((key) => {
    const contact = contacts.get(key.toString('hex'));
    const readable = mayReadAbout(visit, { decides: 'calls.record', contacts: [key] }, clock);
    return contact && readable ? parts.files.masked(contact) : contactKeyText(key);
  });
}

function filterOf(visit: Visit, all: boolean): CallFilter {
  const day = visit.query('day');
  const to = dateIn(visit.query('to') || day);
  const state = visit.query('state');
  const user = visit.query('user');
  return {
    from: dateIn(visit.query('from') || day),
    // To the end of the day named.
    to: to && new Date(to.getTime() + DAY_MS),
    user: all ? user || undefined : visit.user.id,
    wish: optOutOptionById(visit.query('wish'))?.id,
    contact: contactKeyFromText(visit.query('contact')),
    undone: state === 'undone' ? true : state === 'recorded' ? false : undefined,
  };
}

async function callList(
  parts: CallsPageParts,
  visit: Visit,
  filter: CallFilter,
  all: boolean,
): Promise<List<ListedCall>> {
  const { calls } = parts;
  return {
    name: 'calls',
    title: all ? 'Call log' : 'Your calls',
    noun: ['call', 'calls'],
    filters: [
      { name: 'from', label: 'From', type: 'date' },
      { name: 'to', label: 'To', type: 'date' },
      {
        name: 'wish',
        label: 'Opted out of',
        options: OPT_OUT_OPTIONS.map(({ id, label }) => ({ value: id, label })),
      },
      ...(all
        ? [
            {
              name: 'user',
              label: 'Taken by',
              options: (await calls.users()).map(({ id, name }) => ({ value: id, label: name })),
            },
          ]
        : []),
      {
        name: 'state',
        label: 'State',
        options: [
          { value: 'undone', label: 'undone' },
          { value: 'recorded', label: 'not undone' },
        ],
      },
    ],
    person: {
      action: '/staff/calls/find',
      label: 'Email, phone, customer number, or name and postal code',
      shown: filter.contact && ((await shownContacts(parts, visit, [filter.contact]))[0] ?? ''),
    },
    columns: [
      {
        label: 'Time',
        text: ({ call }) => when(call.at),
        href: ({ call }) => `/staff/calls/${call.id}`,
        sort: 'at',
      },
      {
        label: 'Contact',
        text: ({ shown }) => shown,
        href: ({ call }) => (visit.may('people.view') ? `/staff/contacts/${contactKeyText(call.contact)}` : undefined),
      },
      { label: 'Opted out of', text: ({ call }) => optOutLabel(call) },
      { label: 'Brand', text: ({ call }) => brandName(parts, call.brand) },
      { label: 'Who called', text: ({ call }) => visit.pages.word('caller', call.caller) },
      { label: 'Verified', text: ({ call }) => visit.pages.word('verification', call.verification) },
      { label: 'Receipt', text: ({ call }) => receiptOf(call.events[0] ?? '') },
      { label: 'Taken by', text: ({ call }) => call.userName },
      {
        label: 'State',
        text: ({ call }) => (call.undone ? 'undone' : ''),
        tone: ({ call }) => (call.undone ? 'warn' : undefined),
      },
    ],
    empty: {
      title: 'No call found',
      text: 'A call appears here as soon as it is recorded under “New call”. Supervisors see all calls and can undo a mistake.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: async (skip, limit, { descending }) => {
      const [page, total] = await Promise.all([calls.list(filter, skip, limit, !descending), calls.count(filter)]);
      const shown = await shownContacts(
        parts,
        visit,
        page.map(({ contact }) => contact),
      );
      return { rows: page.map((call, at) => ({ call, shown: shown[at] ?? '' })), total };
    },
  };
}

async function showCalls(parts: CallsPageParts, visit: Visit) {
  const all = visit.may('calls.review');
  const filter = filterOf(visit, all);
  const spec = await callList(parts, visit, filter, all);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('list', { title: spec.title, intro: undefined, list: await viewList(visit, spec) });
}

async function findCalls(parts: Pick<CallsPageParts, 'find'>, visit: Visit) {
  const own = await ownPageOf(visit, visit.field('find'), parts.find);
  if (own) return visit.go(own);
  const [found] = (await parts.find.find(visit.field('find'))).filter(({ known }) => known);
  await visit.record({ kind: 'look', what: 'calls_searched', contact: found?.key });
  if (!found) return visit.again('We found nobody.', { status: 404 });
  await visit.go(`/staff/calls?contact=${contactKeyText(found.key)}`);
}

async function undoCall(parts: Pick<CallsPageParts, 'calls'>, visit: Visit) {
  const { calls } = parts;
  const call = await callOf(parts, visit);
  const reason = visit.field('reason');
  if (reason === '') return visit.again('Write what went wrong. It is kept with the record.');
  if (call.user === visit.user.id) {
    await visit.record({ kind: 'refusal', what: 'own', about: `call ${call.id}` });
  }
  const { events, standing } = await calls.undo(visit.user, call, reason);
  await visit.record({
    kind: 'change',
    what: 'call_undone',
    contact: call.contact,
    reason: 'correction',
    note: reason,
    about: events.map(receiptOf).join(' '),
  });
  await visit.go(
    `/staff/calls/${call.id}`,
    `Undone. The call itself stays in the record.${standing > 0 ? ' Other opt-outs of this person are still in force: see their page.' : ''}`,
  );
}

/** The log of calls; one call with the number to read out; undoing one. */
export function callsPages(parts: CallsPageParts) {
  return (shell: StaffShell): void => {
    shell.navigate({ group: 'Calls', href: '/staff/calls', label: 'Call log', permission: 'calls.read' });

    shell.get('/staff/calls', 'calls.read', (visit) => showCalls(parts, visit));

    shell.post('/staff/calls/find', 'calls.read', (visit) => findCalls(parts, visit));

    shell.get('/staff/calls/:id', 'calls.read', async (visit) => showCall(parts, visit, await callOf(parts, visit)));

    shell.post('/staff/calls/:id/undo', 'calls.undo', (visit) => undoCall(parts, visit));
  };
}
