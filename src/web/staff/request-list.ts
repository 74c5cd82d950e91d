import { DAY_MS, utcDay } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { readJurisdiction } from '../../core/jurisdiction.js';
import { contactKeyBytes, contactKeyFromText, type Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { isClosed, REQUEST_KINDS, REQUEST_STATES, REQUEST_WAYS } from '../../core/request.js';
import { calendarDay, daysLeft, isLate } from '../../core/request-clock.js';
import type { Rights } from '../../rights/index.js';
import { clockedOf } from '../../rights/requests/answers.js';
import type { Named } from '../../rights/requests/intake.js';
import { requestNames } from '../../rights/requests/names.js';
import type { By } from '../../rights/requests/records.js';
import { referenceOf, referenceStart } from '../../rights/requests/reference.js';
import type { StaffUser } from '../../staff/audit-trail.js';
import type { Contacts } from '../../store/contacts.js';
import type { RequestFilter, RequestRecord, RequestStore } from '../../store/requests.js';
import { chosen, type List, sentAsCsv, viewList } from './list.js';
import { ownPageOf } from './own-number.js';
import { day } from './render.js';
import { requestChart } from './request-chart.js';
import type { StaffShell, Visit } from './shell.js';
import { dateIn, dayFrom, placeOptions } from './words.js';

/** Staff as the history of a request names them. */
export const byOf = (user: StaffUser): By => ({ id: `staff ${user.id}`, name: user.name });

const WEEK = 7 * DAY_MS;

/** An address as staff write it in one field. */
const inputFrom = (text: string) =>
  text.includes('@') ? { email: text } : /^[a-z0-9-]+:\S/.test(text) ? { id: text } : { phone: text };

/** "in 12 days", "today", "3 days late": by the calendar of the request's clock. */
export function dueWords(policy: Policy, record: RequestRecord, now: number): { text: string; tone: string } {
  const left = daysLeft(policy, clockedOf(record), now);
  if (isLate(policy, clockedOf(record), now))
    return { text: `${-left} ${left === -1 ? 'day' : 'days'} late`, tone: 'no' };
  if (left <= 0) return { text: 'today', tone: 'no' };
  return { text: `in ${left} ${left === 1 ? 'day' : 'days'}`, tone: left <= 15 ? 'warn' : 'soft' };
}

/** The work list by due date, and taking a request by phone or from a letter. */
export function requestListPages(parts: {
  readonly rights: Rights;
  readonly store: RequestStore;
  readonly contacts: Contacts;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly keyring: Keyring;
  readonly clock: Clock;
}) {
  const { rights, store, contacts, catalog, policy, keyring, clock } = parts;

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

  function filterOf(visit: Visit): RequestFilter {
    const state = chosen(visit, stateFilter);
    const now = clock.now();
    const kind = REQUEST_KINDS.find((item) => item === visit.query('kind'));
    const known = REQUEST_STATES.find((item) => item === state);
    const who = visit.query('assignee');
    const reference = referenceStart(visit.query('q'));
    const to = dateIn(visit.query('to'));
    return {
      ...(state === 'open' || state === 'late' || state === 'week' ? { open: true } : {}),
      ...(state === 'late' ? { dueBefore: new Date(now) } : {}),
      ...(state === 'week' ? { dueBefore: new Date(now + WEEK) } : {}),
      ...(known ? { state: known } : {}),
      ...(kind ? { kind } : {}),
      ...(who === 'me' ? { assignee: visit.user.id } : who === 'nobody' ? { assignee: '' } : {}),
      ...(reference ? { reference } : {}),
      receivedFrom: dateIn(visit.query('from')),
      // To the end of the day named.
      receivedTo: to && new Date(to.getTime() + DAY_MS),
      ...searched(visit),
    };
  }

  /** An address in any spelling, an identifier, or a key of somebody we know. */
  async function namedFrom(text: string): Promise<Named> {
    const key = contactKeyFromText(text);
    if (key) {
      const contact = await contacts.get(key);
      if (!contact) throw new HushError('invalid', 'nobody is known under that key', { remedy: 'write the address' });
      return { key, type: contact.type };
    }
    return { point: normaliseContact(inputFrom(text), catalog.group.defaultCountry) };
  }

  /** What was searched for: a whole address or number, else words of a name. */
  function searched(visit: Visit): Pick<RequestFilter, 'contact' | 'names'> {
    const key = contactKeyFromText(visit.query('contact'));
    if (key) return { contact: key };
    const text = visit.drafted('find');
    if (text === '') return {};
    const point = pointIn(text);
    if (point) return { contact: contactKeyBytes(keyring, point) };
    const names = requestNames(keyring, [text]);
    // Nothing to search by is found nowhere, and not everywhere.
    return { names: names.length > 0 ? names : [Buffer.alloc(8)] };
  }

  function pointIn(text: string): ContactPoint | undefined {
    if (!/[@\d]/.test(text)) return undefined;
    try {
      return normaliseContact(inputFrom(text), catalog.group.defaultCountry);
    } catch (error) {
      if (error instanceof HushError) return undefined;
      throw error;
    }
  }

  function showNew(visit: Visit): Promise<void> {
    const fields = [
      'kind',
      'way',
      'contacts',
      'name',
      'words',
      'postal',
      'place',
      'language',
      'received',
      'agentName',
      'agentEmail',
    ];
    return visit.page('request-new', {
      title: 'Record a request',
      kinds: REQUEST_KINDS,
      ways: REQUEST_WAYS.filter((way) => way !== 'form' && way !== 'api'),
      languages: catalog.languages,
      places: placeOptions(catalog),
      values: Object.fromEntries(fields.map((name) => [name, visit.query(name)])),
      today: utcDay(clock.now()),
    });
  }

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Requests',
      href: '/staff/requests',
      label: 'Requests',
      permission: 'requests.read',
      count: () => rights.report.countLate(),
    });

    shell.get('/staff/requests', 'requests.read', async (visit) => {
      const now = clock.now();
      const filter = filterOf(visit);
      const spec: List<RequestRecord> = {
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
    });

    shell.post('/staff/requests/search', 'requests.read', async (visit) => {
      const text = visit.field('find');
      if (text === '') return visit.again('Write a name, an email address, a phone number or a customer number.');
      const point = pointIn(text);
      const own = point ? undefined : await ownPageOf(visit, text);
      if (own) return visit.go(own);
      await visit.record({
        kind: 'look',
        what: 'request_search',
        contact: point && contactKeyBytes(keyring, point),
        note: text.slice(0, 200),
      });
      await visit.goWith('/staff/requests?state=');
    });

    shell.get('/staff/requests/new', 'requests.take', (visit) => showNew(visit));

    shell.post('/staff/requests/new', 'requests.take', async (visit) => {
      const kind = REQUEST_KINDS.find((item) => item === visit.field('kind'));
      const way = REQUEST_WAYS.find((item) => item === visit.field('way') && item !== 'form' && item !== 'api');
      const lines = visit
        .field('contacts')
        .split(/[\n,;]+/)
        .map((line) => line.trim())
        .filter((line) => line !== '');
      if (!kind) return visit.again('Choose what they want.');
      if (!way) return visit.again('Choose how it arrived.');
      if (lines.length === 0) return visit.again('Write at least one email, phone or customer number.');
      const agentName = visit.field('agentName');
      const agentEmail = visit.field('agentEmail');
      const received = visit.field('received');
      const now = clock.now();
      // A day on paper: its noon, or now, when it came today.
      const receivedAt = received === '' || received === utcDay(now) ? now : dayFrom(received, now) + 43_200_000;
      const jurisdiction = readJurisdiction(visit.field('place'), 'place');
      const named = await Promise.all(lines.map(namedFrom));
      await visit.record({ kind: 'change', what: 'request_taken', reason: 'request', about: kind });
      const record = await rights.intake.receive(
        {
          kind,
          way,
          contacts: named,
          language: visit.field('language'),
          name: visit.field('name'),
          description: visit.field('words'),
          postal: visit.field('postal'),
          receivedAt,
          jurisdiction,
          ...(agentName ? { agent: { name: agentName, ...(agentEmail ? { email: agentEmail } : {}) } } : {}),
        },
        byOf(visit.user),
      );
      await visit.go(`/staff/requests/${record.id}`, `Saved. The reference to read out: ${referenceOf(record.id)}`);
    });
  };
}
