import { pipeline } from 'node:stream/promises';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { maskContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { RELATIONSHIPS } from '../../core/event.js';
import { hideLinks } from '../../core/hidden-links.js';
import { placeName } from '../../core/jurisdiction.js';
import { contactKeyText } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import {
  allowedActions,
  denialReasonsOf,
  EXTENSION_REASONS,
  isClosed,
  needsVerification,
  REFUSAL_REASONS,
  REVIEW_OUTCOMES,
} from '../../core/request.js';
import { ageInDays, alertsOf, calendarDay, clockFor, deadlinesOf } from '../../core/request-clock.js';
import type { Rights } from '../../rights/index.js';
import { pointFrom } from '../../rights/letters/post-letters.js';
import { clockedOf } from '../../rights/requests/answers.js';
import type { PreviewErasure } from '../../rights/requests/erasure-preview.js';
import { ACCEPTED, UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';
import { parseReference, referenceOf } from '../../rights/requests/reference.js';
import { CHECKS, checksNeeded } from '../../rights/requests/verification.js';
import type { Approvals } from '../../staff/approvals.js';
import type { RequestRecord } from '../../store/requests.js';
import { erasureWords } from './erasure-words.js';
import { mayReadAbout, reasonFor } from './may-read.js';
import { byOf, dueWords } from './request-words.js';
import type { StaffShell, Visit } from './shell.js';
import { isErasable } from './waiting-erasures.js';
import { placeOptions, receiptOf } from './words.js';

export interface RequestPageParts {
  readonly rights: Rights;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly previewErasure: PreviewErasure;
  readonly approvals: Pick<Approvals, 'waitingErasure'>;
  readonly clock: Clock;
}

/** The request of the path; the same 404 for what is not there and what is no reference. */
export async function requestOf(visit: Visit, rights: Rights): Promise<RequestRecord> {
  const id = parseReference(visit.param('id'));
  if (!id) throw new HushError('not_found', 'there is no such request');
  return rights.records.get(id);
}

/** May this visitor read what the person wrote, and what was written to them. */
export function mayRead(visit: Visit, record: RequestRecord, clock: Clock): boolean {
  return mayReadAbout(
    visit,
    {
      decides: 'requests.work',
      own: record.history[0]?.by === byOf(visit.user).id,
      contacts: record.contacts.map(({ key }) => key),
    },
    clock,
  );
}

/** Opens nothing that was not written down first. */
export async function recordLook(
  visit: Visit,
  record: RequestRecord,
  clock: Clock,
  what: string,
  more = '',
): Promise<void> {
  const [first] = record.contacts;
  const why = first ? reasonFor(visit, first.key, clock) : undefined;
  await visit.record({
    kind: 'look',
    what,
    contact: first?.key,
    reason: why?.reason ?? 'request',
    note: why?.note,
    about: more ? `${record.id} ${more}` : record.id,
  });
}

async function showRequest(parts: RequestPageParts, visit: Visit, record: RequestRecord): Promise<void> {
  const { clock, policy, rights, catalog } = parts;
  const readable = mayRead(visit, record, clock);
  await recordLook(visit, record, clock, 'request', readable ? '' : 'without what is personal');
  const now = clock.now();
  const clocked = clockedOf(record);
  const { acknowledgeBy, extendedDue } = deadlinesOf(policy, clocked);
  const personal = readable ? rights.seal.personal(record) : undefined;
  const [files, letters, steps] = await Promise.all([
    readable ? rights.attachments.list(record) : [],
    rights.letters.ofRequest(record.id),
    record.kind === 'deletion' && record.state === 'fulfilling' ? rights.erasures.progress(record) : [],
  ]);
  const masked = (at: number): string | undefined => {
    const point = pointFrom(catalog, personal?.addresses[at] ?? null);
    return point && maskContact(point);
  };
  const contacts = record.contacts.map((contact, at) => ({
    text: contactKeyText(contact.key),
    href: visit.may('people.view') ? `/staff/contacts/${contactKeyText(contact.key)}` : undefined,
    masked: masked(at),
    type: contact.type,
    verified: contact.verified,
  }));
  const preview = isErasable(record) && visit.may('requests.work') ? await parts.previewErasure(record) : undefined;
  const label = new Map(
    contacts.map(({ text, masked: shown, type }) => [text, shown ?? visit.pages.word('contact', type)]),
  );
  await visit.page('request', {
    title: `${visit.pages.word('requestKind', record.kind)}, ${referenceOf(record.id)}`,
    record,
    reference: referenceOf(record.id),
    closed: isClosed(record.state),
    due: dueWords(policy, record, now),
    age: ageInDays(policy, clocked, now),
    // Deadlines end with a day of the clock's own zone; in UTC they would seem to be a day later.
    onDay: (time: Date | number) => calendarDay(policy, record.jurisdiction, Number(time)),
    zone: clockFor(policy, record.jurisdiction).timeZone,
    acknowledgeBy,
    extendedDue,
    alerts: isClosed(record.state) ? [] : alertsOf(policy, clocked),
    raised: new Set(record.alerts.map(({ id }) => id)),
    readable,
    forgotten: record.dataKey === undefined,
    personal: personal?.description ? { ...personal, description: hideLinks(personal.description) } : personal,
    contacts,
    steps: steps.map((step) => ({ ...step, label: label.get(contactKeyText(step.key)) ?? step.type })),
    erasure: preview && erasureWords(preview, (key) => label.get(contactKeyText(key)) ?? contactKeyText(key)),
    erasureWaits: preview && (await parts.approvals.waitingErasure(record.id))?.id,
    needsTwo: policy.secondPerson.erasures,
    needsProof: needsVerification(record.kind),
    checks: CHECKS,
    checksNeeded: checksNeeded(record.kind),
    files,
    letters,
    actions: visit.may('requests.work') ? allowedActions(record.kind, record.state) : [],
    extensionReasons: EXTENSION_REASONS,
    denialReasons: denialReasonsOf(record.kind),
    refusalReasons: REFUSAL_REASONS,
    outcomes: REVIEW_OUTCOMES,
    relationships: RELATIONSHIPS,
    places: placeOptions(catalog),
    place: placeName(record.jurisdiction),
    maxFile: UPLOAD_LIMIT / 1024 / 1024,
    accepted: ACCEPTED,
    history: [...record.history].reverse().map((entry) => ({
      ...entry,
      words: readable ? hideLinks(rights.seal.text(record, entry.text) ?? '') : undefined,
      hidden: entry.text !== undefined && !readable,
    })),
    receiptOf,
  });
}

async function sendRequestFile({ rights, clock }: Pick<RequestPageParts, 'rights' | 'clock'>, visit: Visit) {
  const record = await requestOf(visit, rights);
  const file = mayRead(visit, record, clock) ? await rights.attachments.open(record, visit.param('file')) : undefined;
  if (!file) {
    await visit.record({ kind: 'refusal', what: 'file', about: record.id });
    throw new HushError('not_found', 'there is no such file');
  }
  await recordLook(visit, record, clock, 'file', visit.param('file'));
  const { response } = visit;
  response
    .status(200)
    // Never shown in the browser, whatever it is: no type that it would open, and no guessing (helmet's nosniff).
    .type('application/octet-stream')
    .set('Cache-Control', 'no-store')
    .set('Content-Security-Policy', "default-src 'none'; sandbox")
    .set('Content-Disposition', `attachment; filename="${file.name}"`)
    .set('Content-Length', String(file.size));
  await pipeline(file.bytes, response).catch((error: unknown) => {
    // The reader has gone; anything else is a file that does not open.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
  });
}

/** One request: its clock, who asks, what happened, what can be done now. */
export function requestPage(parts: RequestPageParts) {
  const { rights } = parts;

  return (shell: StaffShell): void => {
    shell.get('/staff/requests/:id', 'requests.read', async (visit) =>
      showRequest(parts, visit, await requestOf(visit, rights)),
    );

    shell.get('/staff/requests/:id/files/:file', 'requests.read', (visit) => sendRequestFile(parts, visit));
  };
}
