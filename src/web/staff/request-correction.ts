import { isTimeZone } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { RELATIONSHIPS } from '../../core/event.js';
import { readJurisdiction } from '../../core/jurisdiction.js';
import { contactKeyFromText } from '../../core/keys.js';
import type { Rights } from '../../rights/index.js';
import type { By } from '../../rights/requests/records.js';
import type { RequestRecord } from '../../store/requests.js';
import type { Visit } from './shell.js';

/** The right address of a correction, of the kind it replaces. */
function replacement(catalog: Catalog, visit: Visit, record: RequestRecord) {
  const text = visit.field('right');
  const old = contactKeyFromText(visit.field('wrong'));
  if (text === '') return undefined;
  const contact = old && record.contacts.find(({ key }) => key.equals(old));
  if (!old || !contact)
    throw new HushError('invalid', 'choose which address was wrong', {
      field: 'wrong',
      remedy: 'choose one',
    });
  const point: ContactPoint = normaliseContact(
    contact.type === 'email' ? { email: text } : contact.type === 'phone' ? { phone: text } : { id: text },
    catalog.group.defaultCountry,
  );
  return { old, by: point };
}

export async function correctRecord(
  parts: { readonly rights: Pick<Rights, 'fulfilment'>; readonly catalog: Catalog },
  record: RequestRecord,
  by: By,
  visit: Visit,
): Promise<string> {
  const { fulfilment } = parts.rights;
  const zone = visit.field('timeZone');
  const jurisdiction = readJurisdiction(visit.field('jurisdiction'), 'jurisdiction');
  if (zone !== '' && !isTimeZone(zone))
    throw new HushError('invalid', 'that is no time zone', {
      field: 'timeZone',
      remedy: 'write one such as America/Chicago',
    });
  await fulfilment.correct(record, by, {
    relationship: RELATIONSHIPS.find((item) => item === visit.field('relationship')),
    jurisdiction,
    timeZone: zone || undefined,
    replace: replacement(parts.catalog, visit, record),
    explanation: visit.field('explanation'),
  });
  return 'Corrected. The letter is on its way.';
}
