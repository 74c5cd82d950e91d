import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText, contactKeyText } from '../../core/keys.js';
import type { FindCaller } from '../../staff/find-caller.js';
import { needsReason } from '../../staff/permissions.js';
import type { Happening, PersonFiles } from '../../staff/person.js';
import { iso } from '../api/requests.js';
import { allowLook } from '../middleware/session.js';
import { contactFor, NEEDS_REASON, REASONS, reasonFor, tookReason } from './may-read.js';
import { ownPageOf } from './own-number.js';
import type { StaffShell, Visit } from './shell.js';
import { receiptOf, scopeWords } from './words.js';

/** A rights request as the person's page lists it. */
export interface ListedRequest {
  readonly id: string;
  readonly href: string;
  readonly kind: string;
  readonly state: string;
  /** ms */
  readonly received: number;
  /** ms */
  readonly due?: number;
}

/** Rights requests of any of these contacts; given by the rights part. */
export type RequestsOf = (keys: readonly Buffer[]) => Promise<readonly ListedRequest[]>;

export interface PeopleParts {
  readonly find: FindCaller;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly requestsOf: RequestsOf;
}

const MONTH = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });

/** A history, newest first, in its months. */
function byMonth(history: readonly Happening[]): { month: string; items: readonly Happening[] }[] {
  const months: { month: string; items: Happening[] }[] = [];
  for (const item of history) {
    const month = MONTH.format(item.event.at);
    const last = months.at(-1);
    if (last?.month === month) last.items.push(item);
    else months.push({ month, items: [item] });
  }
  return months;
}

async function showPerson(parts: PeopleParts, visit: Visit): Promise<void> {
  const { find, files, clock, catalog } = parts;
  const found = await contactFor(visit, parts);
  if (!found) return;
  const { contact, why } = found;
  const { pages } = visit;
  const withEvidence = visit.may('people.evidence');
  await visit.record({
    kind: 'look',
    what: 'person',
    contact: contact.key,
    ...why,
    about: withEvidence ? 'with evidence' : undefined,
  });
  const page = Math.min(200, Math.max(1, Number.parseInt(visit.query('page'), 10) || 1));
  const [linked, file] = await Promise.all([find.linked(contact), files.read(contact, withEvidence, page)]);
  // One person, one reason: their other addresses may be opened for the same.
  allowLook(
    visit.session,
    linked.map(({ key }) => key),
    why.reason,
    why.note ?? '',
    clock,
  );
  const requests = await parts.requestsOf(linked.map(({ key }) => key));
  await visit.page('person', {
    title: file.masked,
    key: contactKeyText(contact.key),
    type: contact.type,
    file,
    page,
    months: byMonth(file.history),
    unmasked: visit.takeOnce(),
    keyedOnly: files.address(contact) === undefined,
    topicName: (id: string) => catalog.topics.find((topic) => topic.id === id)?.name.en ?? id,
    scopeOf: (scope: Parameters<typeof scopeWords>[2]) => scopeWords(pages, catalog, scope),
    receiptOf,
    iso,
    linked: linked.slice(1).map((other) => ({
      href: `/staff/contacts/${contactKeyText(other.key)}`,
      masked: files.masked(other),
      type: other.type,
    })),
    requests,
  });
}

async function giveReason({ clock }: Pick<PeopleParts, 'clock'>, visit: Visit) {
  const key = contactKeyFromText(visit.param('key'));
  if (!key) throw new HushError('not_found', 'there is no such contact');
  if (!tookReason(visit, [key], clock)) return visit.again(NEEDS_REASON);
  const own = `/staff/contacts/${contactKeyText(key)}`;
  const to = visit.field('to');
  await visit.go(to === own || to.startsWith(`${own}/`) || to.startsWith(`${own}?`) ? to : own);
}

async function revealAddress(parts: PeopleParts, visit: Visit) {
  const { files } = parts;
  const found = await contactFor(visit, parts);
  if (!found) return;
  const { contact } = found;
  const reason = visit.field('reason');
  if (reason === '') return visit.again('To show the full address, write why you need it.');
  await visit.record({
    kind: 'look',
    what: 'address',
    contact: contact.key,
    reason: found.why.reason,
    note: reason,
  });
  const address = files.address(contact);
  const page = `/staff/contacts/${contactKeyText(contact.key)}`;
  visit.showOnce(page, address ? readable(address) : 'The address is stored only in coded form.');
  await visit.go(page);
}

async function showPeople({ find, clock }: Pick<PeopleParts, 'find' | 'clock'>, visit: Visit) {
  if (!visit.draft?.lookup) return visit.page('people', { title: 'People', reasons: REASONS });
  const callers = (await find.find(visit.drafted('find'))).filter(({ key }) => reasonFor(visit, key, clock));
  for (const { key } of callers) {
    await visit.record({ kind: 'look', what: 'caller_found', contact: key, ...reasonFor(visit, key, clock) });
  }
  await visit.page('which', {
    title: 'Which one is it?',
    among: callers.map((caller) => ({
      href: `/staff/contacts/${contactKeyText(caller.key)}`,
      masked: caller.masked,
      type: caller.type,
    })),
  });
}

async function findPeople({ find, clock }: Pick<PeopleParts, 'find' | 'clock'>, visit: Visit) {
  const reason = REASONS.find((item) => item === visit.field('reason'));
  const note = visit.field('note').slice(0, 200);
  if (needsReason(visit.user.roles) && (!reason || note === '')) return visit.again(NEEDS_REASON);
  const own = await ownPageOf(visit, visit.field('find'), find);
  if (own) return visit.go(own);
  const callers = (await find.find(visit.field('find'))).filter(({ known }) => known);
  const why = { reason: reason ?? 'office', ...(note ? { note } : {}) };
  if (callers.length === 0) {
    await visit.record({ kind: 'look', what: 'caller_not_found', ...why });
    return visit.again('We found nobody.');
  }
  for (const { key } of callers) await visit.record({ kind: 'look', what: 'caller_found', contact: key, ...why });
  allowLook(
    visit.session,
    callers.map(({ key }) => key),
    why.reason,
    note,
    clock,
  );
  const [only] = callers;
  if (only && callers.length === 1) return visit.go(`/staff/contacts/${contactKeyText(only.key)}`);
  await visit.goWith('/staff/people');
}

/** A person's page: permissions, history, consents and destinations; and finding a person. */
export function peoplePages(parts: PeopleParts) {
  return (shell: StaffShell): void => {
    shell.get('/staff/contacts/:key', 'people.view', (visit) => showPerson(parts, visit));

    shell.post('/staff/contacts/:key/look', 'people.view', (visit) => giveReason(parts, visit));

    shell.post('/staff/contacts/:key/address', 'people.unmask', (visit) => revealAddress(parts, visit));

    shell.navigate({
      group: 'People',
      href: '/staff/people',
      label: 'People',
      permission: 'people.view',
      also: ['/staff/contacts'],
    });
    shell.get('/staff/people', 'people.view', (visit) => showPeople(parts, visit));

    shell.post('/staff/people', 'people.view', (visit) => findPeople(parts, visit));
  };
}

function readable({ type, given }: { readonly type: string; readonly given: string }): string {
  if (type !== 'postal') return given;
  const address: Record<string, unknown> = JSON.parse(given);
  return ['name', 'line1', 'line2', 'city', 'region', 'postalCode', 'country']
    .map((field) => address[field])
    .filter((value) => typeof value === 'string' && value !== '')
    .join(', ');
}
