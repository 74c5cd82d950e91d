import { DAY_MS } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, contactKeyFromText, type Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { isClosed, REQUEST_KINDS, REQUEST_STATES } from '../../core/request.js';
import { calendarDay } from '../../core/request-clock.js';
import type { Rights } from '../../rights/index.js';
import { requestNames } from '../../rights/requests/names.js';
import { referenceOf, referenceStart } from '../../rights/requests/reference.js';
import type { RequestFilter, RequestRecord, RequestStore } from '../../store/requests.js';
import { chosen, type List, sentAsCsv, viewList } from './list.js';
import { ownPageOf } from './own-number.js';
import { day } from './render.js';
import { requestChart } from './request-chart.js';
import { contactInputFrom, dueWords } from './request-words.js';
import type { StaffShell, Visit } from './shell.js';
import { dateIn } from './words.js';

const WEEK = 7 * DAY_MS;

const stateFilter = {
  name: 'state',
  label: 'State',
  preset: 'open',
  options: [
    { value: 'open', label: 'open' },
    { value: 'late', label: 'late' },
    { value: 'week', label: 'due within a week' },
  ],
};

interface RequestListParts {
  readonly rights: Rights;
  readonly store: RequestStore;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly keyring: Keyring;
  readonly clock: Clock;
}

function filterOf(parts: Pick<RequestListParts, 'clock' | 'keyring' | 'catalog'>, visit: Visit): RequestFilter {
  const { clock } = parts;
  const state = chosen(visit, stateFilter);
  const now = clock.now();
  const kind = REQUEST_KINDS.find((item) => item === visit.query('kind'));
  const exact = REQUEST_STATES.find((item) => item === state);
  const who = visit.query('assignee');
  const reference = referenceStart(visit.query('q'));
  const to = dateIn(visit.query('to'));
  return {
    ...(state === 'open' || state === 'late' || state === 'week' ? { open: true } : {}),
    ...(state === 'late' ? { dueBefore: new Date(now) } : {}),
    ...(state === 'week' ? { dueBefore: new Date(now + WEEK) } : {}),
    ...(exact ? { state: exact } : {}),
    ...(kind ? { kind } : {}),
    ...(who === 'me' ? { assignee: visit.user.id } : who === 'nobody' ? { assignee: '' } : {}),
    ...(reference ? { reference } : {}),
    receivedFrom: dateIn(visit.query('from')),
    // To the end of the day named.
    receivedTo: to && new Date(to.getTime() + DAY_MS),
    ...searchFilter(parts, visit),
  };
}

/** The search as a filter: a whole address or number, else the words of a name. */
function searchFilter(
  parts: Pick<RequestListParts, 'keyring' | 'catalog'>,
  visit: Visit,
): Pick<RequestFilter, 'contact' | 'names'> {
  const { keyring } = parts;
  const key = contactKeyFromText(visit.query('contact'));
  if (key) return { contact: key };
  const text = visit.drafted('find');
  if (text === '') return {};
  const point = addressIn(parts, text);
  if (point) return { contact: contactKeyBytes(keyring, point) };
  const names = requestNames(keyring, [text]);
  // A search without a usable word finds nothing, rather than everything.
  return { names: names.length > 0 ? names : [Buffer.alloc(8)] };
}

function addressIn({ catalog }: Pick<RequestListParts, 'catalog'>, text: string): ContactPoint | undefined {
  if (!/[@\d]/.test(text)) return undefined;
  try {
    return normaliseContact(contactInputFrom(text), catalog.group.defaultCountry);
  } catch (error) {
    if (error instanceof HushError) return undefined;
    throw error;
  }
}

function requestList(
  { policy, store }: Pick<RequestListParts, 'policy' | 'store'>,
  visit: Visit,
  filter: RequestFilter,
  now: number,
): List<RequestRecord> {
  return {
    name: 'requests',
    title: 'Rights requests',
    noun: ['request', 'requests'],
    filters: [
      {
        ...stateFilter,
        options: [
          ...stateFilter.options,
          ...REQUEST_STATES.map((value) => ({ value, label: visit.pages.word('requestState', value) })),
        ],
      },
      {
        name: 'kind',
        label: 'Kind',
        options: REQUEST_KINDS.map((value) => ({ value, label: visit.pages.word('requestKind', value) })),
      },
      {
        name: 'assignee',
        label: 'Assigned to',
        options: [
          { value: 'me', label: 'me' },
          { value: 'nobody', label: 'nobody yet' },
        ],
      },
      { name: 'from', label: 'Received from', type: 'date' },
      { name: 'to', label: 'Received until', type: 'date' },
      { name: 'q', label: 'Reference' },
    ],
    columns: [
      { label: 'Reference', text: ({ id }) => referenceOf(id), href: ({ id }) => `/staff/requests/${id}` },
      {
        label: 'Left',
        text: (record) => (isClosed(record.state) ? '' : dueWords(policy, record, now).text),
        tone: (record) => (isClosed(record.state) ? undefined : dueWords(policy, record, now).tone),
      },
      { label: 'Kind', text: ({ kind }) => visit.pages.word('requestKind', kind) },
      { label: 'Received', text: ({ receivedAt }) => day(receivedAt), sort: 'received' },
      {
        label: 'Due',
        sort: 'due',
        text: ({ due, firstDue, jurisdiction }) =>
          `${day(calendarDay(policy, jurisdiction, due.getTime()))}${due > firstDue ? ' (extended)' : ''}`,
      },
      { label: 'State', text: ({ state }) => visit.pages.word('requestState', state) },
      { label: 'Assigned to', text: ({ assignee }) => assignee?.name ?? '' },
      {
        label: 'New',
        text: ({ unread, state }) => (unread && !isClosed(state) ? 'new message' : ''),
        tone: ({ unread, state }) => (unread && !isClosed(state) ? 'warn' : undefined),
      },
    ],
    empty: {
      title: 'No request here',
      text: 'Requests arrive by the form at /rights, by email, phone and letter, and from marketing systems. The one due first is on top.',
    },
    order: { by: 'due', descending: false },
    time: 'received',
    person: {
      action: '/staff/requests/search',
      label: 'Name, email, phone or number of the person',
      shown: visit.drafted('find') || visit.query('contact') || undefined,
    },
    rows: async (skip, limit, order) => ({
      rows: await store.list(filter, skip, limit, order),
      total: await store.count(filter),
    }),
  };
}

async function showRequests(parts: RequestListParts, visit: Visit) {
  const { clock, rights } = parts;
  const now = clock.now();
  const filter = filterOf(parts, visit);
  const spec = requestList(parts, visit, filter, now);
  if (await sentAsCsv(visit, spec)) return;
  const [late, open, ages] = await Promise.all([
    rights.report.countLate(),
    rights.report.countOpen(),
    rights.report.ages(),
  ]);
  await visit.page('requests', {
    title: 'Rights requests',
    list: await viewList(visit, spec),
    late,
    open,
    chart: requestChart(ages, rights.report.dues, 'all'),
    mayTake: visit.may('requests.take'),
  });
}

async function searchRequests(parts: Pick<RequestListParts, 'keyring' | 'catalog'>, visit: Visit) {
  const { keyring } = parts;
  const text = visit.field('find');
  if (text === '') return visit.again('Write a name, an email address, a phone number or a customer number.');
  const point = addressIn(parts, text);
  const own = point ? undefined : await ownPageOf(visit, text);
  if (own) return visit.go(own);
  await visit.record({
    kind: 'look',
    what: 'request_search',
    contact: point && contactKeyBytes(keyring, point),
    note: text.slice(0, 200),
  });
  await visit.goWith('/staff/requests?state=');
}

/** The work list by due date, with its search. */
export function requestListPages(parts: RequestListParts) {
  const { rights } = parts;

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Requests',
      href: '/staff/requests',
      label: 'Requests',
      permission: 'requests.read',
      count: () => rights.report.countLate(),
    });

    shell.get('/staff/requests', 'requests.read', (visit) => showRequests(parts, visit));

    shell.post('/staff/requests/search', 'requests.read', (visit) => searchRequests(parts, visit));
  };
}
