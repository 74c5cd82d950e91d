import { DAY_MS, utcDay } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { readJurisdiction } from '../../core/jurisdiction.js';
import { contactKeyFromText } from '../../core/keys.js';
import { REQUEST_KINDS, REQUEST_WAYS } from '../../core/request.js';
import type { Rights } from '../../rights/index.js';
import type { Named } from '../../rights/requests/intake.js';
import { referenceOf } from '../../rights/requests/reference.js';
import type { Contacts } from '../../store/contacts.js';
import { byOf, contactInputFrom } from './request-words.js';
import type { StaffShell, Visit } from './shell.js';
import { dayFrom, placeOptions } from './words.js';

const NOON_MS = DAY_MS / 2;

interface NewRequestParts {
  readonly rights: Pick<Rights, 'intake'>;
  readonly contacts: Pick<Contacts, 'get'>;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

/** An address in any spelling, an identifier, or a key of somebody we know. */
async function contactNamed(
  { contacts, catalog }: Pick<NewRequestParts, 'contacts' | 'catalog'>,
  text: string,
): Promise<Named> {
  const key = contactKeyFromText(text);
  if (key) {
    const contact = await contacts.get(key);
    if (!contact) throw new HushError('invalid', 'nobody is known under that key', { remedy: 'write the address' });
    return { key, type: contact.type };
  }
  return { point: normaliseContact(contactInputFrom(text), catalog.group.defaultCountry) };
}

function showNewRequest({ catalog, clock }: Pick<NewRequestParts, 'catalog' | 'clock'>, visit: Visit): Promise<void> {
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

async function recordRequest(parts: NewRequestParts, visit: Visit) {
  const { clock, rights } = parts;
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
  // A letter has a day and no time: take noon, or now if it came today.
  const receivedAt = received === '' || received === utcDay(now) ? now : dayFrom(received, now) + NOON_MS;
  const jurisdiction = readJurisdiction(visit.field('place'), 'place');
  const named = await Promise.all(lines.map((text) => contactNamed(parts, text)));
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
}

/** The form for a request that came by phone, letter or in person. */
export function newRequestPages(parts: NewRequestParts) {
  return (shell: StaffShell): void => {
    shell.get('/staff/requests/new', 'requests.take', (visit) => showNewRequest(parts, visit));
    shell.post('/staff/requests/new', 'requests.take', (visit) => recordRequest(parts, visit));
  };
}
