import { isTimeZone } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { RELATIONSHIPS } from '../../core/event.js';
import { readJurisdiction } from '../../core/jurisdiction.js';
import { contactKeyFromText } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { DENIAL_REASONS, EXTENSION_REASONS, REFUSAL_REASONS, REVIEW_OUTCOMES } from '../../core/request.js';
import type { Rights } from '../../rights/index.js';
import type { MessageReader } from '../../rights/requests/answers.js';
import type { By } from '../../rights/requests/records.js';
import { CHECKS } from '../../rights/requests/verification.js';
import type { Approvals } from '../../staff/approvals.js';
import type { RequestRecord } from '../../store/requests.js';
import { uploadsOf } from '../middleware/multipart.js';
import { byOf } from './request-list.js';
import { mayRead, requestOf } from './request-page.js';
import { oneOf, PREVIEWED } from './request-preview.js';
import { type StaffShell, sentenceOf, type Visit } from './shell.js';
import { askForErasure } from './waiting-erasures.js';

/** Does it, and says so in a sentence. */
type Act = (record: RequestRecord, by: By, visit: Visit) => Promise<string>;

/** Whom a message goes to, where somebody acts for the person. */
const MESSAGE_CHOICES = ['person', 'agent', 'both'] as const;
const MESSAGE_TO: Readonly<Record<(typeof MESSAGE_CHOICES)[number], readonly MessageReader[]>> = {
  person: ['person'],
  agent: ['agent'],
  both: ['person', 'agent'],
};

/** Open to whoever takes requests in; every other act is for those who work on them. */
const ON_TAKING: ReadonlySet<string> = new Set(['note', 'files']);

/** What staff do with a request: each act is written down before it is done, and the table of transitions has the last word. */
export function requestActs(parts: {
  readonly rights: Rights;
  readonly catalog: Catalog;
  readonly policy: Pick<Policy, 'secondPerson'>;
  readonly approvals: Pick<Approvals, 'requestErasure' | 'waitingErasure'>;
  readonly clock: Clock;
}) {
  const { rights, catalog, clock } = parts;
  const { answers, fulfilment, verification, erasures, attachments } = rights;

  const words = (visit: Visit) => visit.field('explanation');
  const chosenContacts = (visit: Visit): Buffer[] =>
    visit.several('contact').flatMap((text) => contactKeyFromText(text) ?? []);

  /** The right address of a correction, of the kind it replaces. */
  function replacement(visit: Visit, record: RequestRecord) {
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

  const ACTS: Readonly<Record<string, Act>> = {
    async assign(record, by, visit) {
      await answers.assign(record, by, { id: visit.user.id, name: visit.user.name });
      return 'Assigned to you.';
    },
    async seen(record, by) {
      await answers.seen(record, by);
      return 'Marked as read.';
    },
    async note(record, by, visit) {
      await answers.note(record, by, visit.field('text'));
      return 'Note saved.';
    },
    async message(record, by, visit) {
      const readers = record.byAgent ? MESSAGE_TO[oneOf(visit, 'to', MESSAGE_CHOICES)] : (['person'] as const);
      await answers.message(record, by, visit.field('text'), readers);
      const reached = rights.post.reachesOf(record);
      return readers.some((reader) => reached[reader])
        ? 'Saved. An email says that there is a message.'
        : 'Saved, but we have no email address to say so to.';
    },
    async files(record, by, visit) {
      const uploads = uploadsOf(visit.request);
      if (uploads.length === 0)
        throw new HushError('invalid', 'no file was chosen', { field: 'file', remedy: 'choose one' });
      const [fault] = uploads.flatMap((upload) => upload.fault ?? []);
      if (fault) {
        await visit.record({ kind: 'refusal', what: 'file', about: `${record.id} ${fault.kind}` });
        throw fault;
      }
      for (const { stored } of uploads) if (stored) await attachments.keep(record, by, stored);
      return 'Attached and encrypted.';
    },
    async acknowledge(record, by) {
      await answers.acknowledge(record, by);
      return 'The acknowledgement is on its way.';
    },
    async link(record, by) {
      await verification.askAgain(record, by);
      return 'A link is on its way to the address of the request.';
    },
    async verify(record, by, visit) {
      const sent = visit.several('check');
      const checks = CHECKS.filter((check) => sent.includes(check) || visit.field(`check_${check}`) !== '');
      await verification.byKnowledge(record, by, {
        checks,
        note: visit.field('text'),
        contacts: chosenContacts(visit),
      });
      return 'Verified.';
    },
    async authority(record, by, visit) {
      const now = await verification.authority(record, by, visit.field('file'), chosenContacts(visit));
      return now.state === 'in_progress' ? 'Verified.' : 'Recorded. The person has not said yes yet.';
    },
    async confirmed(record, by, visit) {
      if (visit.field('text') === '') {
        throw new HushError('invalid', 'write which number you called, and what the person said', {
          field: 'text',
          remedy: 'write it',
        });
      }
      const now = await verification.confirmedByPhone(record, by, visit.field('text'), chosenContacts(visit));
      return now.state === 'in_progress' ? 'Verified.' : 'Recorded. The document is still missing.';
    },
    async extend(record, by, visit) {
      const reason = oneOf(visit, 'reason', EXTENSION_REASONS);
      await answers.extend(record, by, { reason, explanation: words(visit) });
      return 'Extended. The letter is on its way.';
    },
    async deny(record, by, visit) {
      await answers.deny(record, by, {
        reason: oneOf(visit, 'reason', DENIAL_REASONS),
        explanation: words(visit),
      });
      return 'Denied. The letter is on its way.';
    },
    async refuse(record, by, visit) {
      await answers.refuse(record, by, {
        reason: oneOf(visit, 'reason', REFUSAL_REASONS),
        explanation: words(visit),
      });
      return 'Refused. The letter says how to try again.';
    },
    async withdraw(record, by, visit) {
      if (words(visit) === '')
        throw new HushError('invalid', 'write how the person withdrew it', {
          field: 'explanation',
          remedy: 'write it',
        });
      await answers.withdraw(record, by, words(visit));
      return 'The withdrawal is recorded.';
    },
    async correct(record, by, visit) {
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
        replace: replacement(visit, record),
        explanation: words(visit),
      });
      return 'Corrected. The letter is on its way.';
    },
    async restrict(record, by, visit) {
      await fulfilment.restrict(record, by, words(visit));
      return 'Restricted. The letter is on its way.';
    },
    async review(record, by, visit) {
      await fulfilment.review(record, by, {
        outcome: oneOf(visit, 'outcome', REVIEW_OUTCOMES),
        note: words(visit),
      });
      return 'The outcome is recorded. The letter is on its way.';
    },
    async access(record, by, visit) {
      await fulfilment.access(record, by, oneOf(visit, 'delivery', ['download', 'openpgp', 'print']));
      return 'The data is being collected.';
    },
    async erase(record, by, visit) {
      if (parts.policy.secondPerson.erasures) {
        await askForErasure(visit, record, parts.approvals);
        return 'Waiting for a second person. Nothing has been erased yet.';
      }
      await fulfilment.erase(record, by);
      return 'The erasure has started. It is sent to all destinations first; then the request closes automatically.';
    },
    async override(record, by, visit) {
      await erasures.override(record, by, words(visit), clock.now());
      return 'Recorded. The erasure continues without them.';
    },
    async complete(record, by) {
      await fulfilment.complete(record, by);
      return 'Closed.';
    },
  };

  return (shell: StaffShell): void => {
    for (const [name, act] of Object.entries(ACTS)) {
      const permission = ON_TAKING.has(name) ? 'requests.take' : 'requests.work';
      shell.post(`/staff/requests/:id/${name}`, permission, async (visit) => {
        const record = await requestOf(visit, rights);
        if (!mayRead(visit, record, clock)) {
          await visit.record({
            kind: 'refusal',
            what: 'person_refused',
            contact: record.contacts[0]?.key,
            about: record.id,
          });
          throw new HushError('forbidden', 'give your reason for opening this person’s page first');
        }
        // Before it is done: who did it is known, whatever comes of it.
        await visit.record({
          kind: 'change',
          what: `request_${name}`,
          contact: record.contacts[0]?.key,
          reason: 'request',
          about: record.id,
        });
        try {
          await visit.go(`/staff/requests/${record.id}`, await act(record, byOf(visit.user), visit));
        } catch (error) {
          // Sent from the preview: the form that was filled in is the one that leads there.
          const previewed = PREVIEWED.has(name) && error instanceof HushError && error.kind === 'invalid';
          if (!previewed) throw error;
          const action = `/staff/requests/${record.id}/preview`;
          await visit.again(sentenceOf(error), { action, fields: { act: name } });
        }
      });
    }
  };
}
