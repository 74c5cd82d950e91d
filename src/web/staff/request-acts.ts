import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
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
import { correctRecord } from './request-correction.js';
import { mayRead, requestOf } from './request-page.js';
import { oneOf, PREVIEWED } from './request-preview.js';
import { byOf } from './request-words.js';
import { type StaffShell, sentenceOf, type Visit } from './shell.js';
import { askForErasure } from './waiting-erasures.js';

interface RequestActParts {
  readonly rights: Rights;
  readonly catalog: Catalog;
  readonly policy: Pick<Policy, 'secondPerson'>;
  readonly approvals: Pick<Approvals, 'requestErasure' | 'waitingErasure'>;
  readonly clock: Clock;
}

/** Does one thing with a request. Returns a sentence that says so. */
type Act = (parts: RequestActParts, record: RequestRecord, by: By, visit: Visit) => Promise<string>;

/** Whom a message goes to, where somebody acts for the person. */
const MESSAGE_CHOICES = ['person', 'agent', 'both'] as const;

const MESSAGE_TO: Readonly<Record<(typeof MESSAGE_CHOICES)[number], readonly MessageReader[]>> = {
  person: ['person'],
  agent: ['agent'],
  both: ['person', 'agent'],
};

/** For whoever takes requests in; every other act is for those who work on them. */
const ON_TAKING: ReadonlySet<string> = new Set(['note', 'files']);

const explanationIn = (visit: Visit) => visit.field('explanation');

const chosenContacts = (visit: Visit): Buffer[] =>
  visit.several('contact').flatMap((text) => contactKeyFromText(text) ?? []);

async function assign(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  await answers.assign(record, by, { id: visit.user.id, name: visit.user.name });
  return 'Assigned to you.';
}

async function markRead(parts: RequestActParts, record: RequestRecord, by: By): Promise<string> {
  const { answers } = parts.rights;
  await answers.seen(record, by);
  return 'Marked as read.';
}

async function addNote(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  await answers.note(record, by, visit.field('text'));
  return 'Note saved.';
}

async function sendMessage(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  const { rights } = parts;
  const readers = record.byAgent ? MESSAGE_TO[oneOf(visit, 'to', MESSAGE_CHOICES)] : (['person'] as const);
  await answers.message(record, by, visit.field('text'), readers);
  const reached = rights.post.reachesOf(record);
  return readers.some((reader) => reached[reader])
    ? 'Saved. An email says that there is a message.'
    : 'Saved, but we have no email address to say so to.';
}

async function attachFiles(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { attachments } = parts.rights;
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
}

async function acknowledge(parts: RequestActParts, record: RequestRecord, by: By): Promise<string> {
  const { answers } = parts.rights;
  await answers.acknowledge(record, by);
  return 'The acknowledgement is on its way.';
}

async function sendLink(parts: RequestActParts, record: RequestRecord, by: By): Promise<string> {
  const { verification } = parts.rights;
  await verification.askAgain(record, by);
  return 'A link is on its way to the address of the request.';
}

async function verifyByKnowledge(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { verification } = parts.rights;
  const sent = visit.several('check');
  const checks = CHECKS.filter((check) => sent.includes(check) || visit.field(`check_${check}`) !== '');
  await verification.byKnowledge(record, by, {
    checks,
    note: visit.field('text'),
    contacts: chosenContacts(visit),
  });
  return 'Verified.';
}

async function recordAuthority(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { verification } = parts.rights;
  const now = await verification.authority(record, by, visit.field('file'), chosenContacts(visit));
  return now.state === 'in_progress' ? 'Verified.' : 'Recorded. The person has not said yes yet.';
}

async function confirmByPhone(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { verification } = parts.rights;
  if (visit.field('text') === '') {
    throw new HushError('invalid', 'write which number you called, and what the person said', {
      field: 'text',
      remedy: 'write it',
    });
  }
  const now = await verification.confirmedByPhone(record, by, visit.field('text'), chosenContacts(visit));
  return now.state === 'in_progress' ? 'Verified.' : 'Recorded. The document is still missing.';
}

async function extend(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  const reason = oneOf(visit, 'reason', EXTENSION_REASONS);
  await answers.extend(record, by, { reason, explanation: explanationIn(visit) });
  return 'Extended. The letter is on its way.';
}

async function deny(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  await answers.deny(record, by, {
    reason: oneOf(visit, 'reason', DENIAL_REASONS),
    explanation: explanationIn(visit),
  });
  return 'Denied. The letter is on its way.';
}

async function refuse(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  await answers.refuse(record, by, {
    reason: oneOf(visit, 'reason', REFUSAL_REASONS),
    explanation: explanationIn(visit),
  });
  return 'Refused. The letter says how to try again.';
}

async function withdraw(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { answers } = parts.rights;
  if (explanationIn(visit) === '')
    throw new HushError('invalid', 'write how the person withdrew it', {
      field: 'explanation',
      remedy: 'write it',
    });
  await answers.withdraw(record, by, explanationIn(visit));
  return 'The withdrawal is recorded.';
}

async function restrict(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { fulfilment } = parts.rights;
  await fulfilment.restrict(record, by, explanationIn(visit));
  return 'Restricted. The letter is on its way.';
}

async function recordReview(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { fulfilment } = parts.rights;
  await fulfilment.review(record, by, {
    outcome: oneOf(visit, 'outcome', REVIEW_OUTCOMES),
    note: explanationIn(visit),
  });
  return 'The outcome is recorded. The letter is on its way.';
}

async function prepareAccess(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { fulfilment } = parts.rights;
  await fulfilment.access(record, by, oneOf(visit, 'delivery', ['download', 'openpgp', 'print']));
  return 'The data is being collected.';
}

async function erase(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { fulfilment } = parts.rights;
  if (parts.policy.secondPerson.erasures) {
    await askForErasure(visit, record, parts.approvals);
    return 'Waiting for a second person. Nothing has been erased yet.';
  }
  await fulfilment.erase(record, by);
  return 'The erasure has started. It is sent to all destinations first; then the request closes automatically.';
}

async function overrideErasure(parts: RequestActParts, record: RequestRecord, by: By, visit: Visit): Promise<string> {
  const { erasures } = parts.rights;
  const { clock } = parts;
  await erasures.override(record, by, explanationIn(visit), clock.now());
  return 'Recorded. The erasure continues without them.';
}

async function complete(parts: RequestActParts, record: RequestRecord, by: By): Promise<string> {
  const { fulfilment } = parts.rights;
  await fulfilment.complete(record, by);
  return 'Closed.';
}

/** By the last part of the form's path. */
const ACTS: Readonly<Record<string, Act>> = {
  assign,
  seen: markRead,
  note: addNote,
  message: sendMessage,
  files: attachFiles,
  acknowledge,
  link: sendLink,
  verify: verifyByKnowledge,
  authority: recordAuthority,
  confirmed: confirmByPhone,
  extend,
  deny,
  refuse,
  withdraw,
  correct: correctRecord,
  restrict,
  review: recordReview,
  access: prepareAccess,
  erase,
  override: overrideErasure,
  complete,
};

/** Records who does what, then does it: the trail names them whatever comes of it. */
async function doAct(parts: RequestActParts, visit: Visit, name: string, act: Act): Promise<void> {
  const record = await requestOf(visit, parts.rights);
  if (!mayRead(visit, record, parts.clock)) {
    await visit.record({
      kind: 'refusal',
      what: 'person_refused',
      contact: record.contacts[0]?.key,
      about: record.id,
    });
    throw new HushError('forbidden', 'give your reason for opening this person’s page first');
  }
  await visit.record({
    kind: 'change',
    what: `request_${name}`,
    contact: record.contacts[0]?.key,
    reason: 'request',
    about: record.id,
  });
  try {
    await visit.go(`/staff/requests/${record.id}`, await act(parts, record, byOf(visit.user), visit));
  } catch (error) {
    // Sent from the preview: the form that was filled in is the one that leads there.
    const previewed = PREVIEWED.has(name) && error instanceof HushError && error.kind === 'invalid';
    if (!previewed) throw error;
    const action = `/staff/requests/${record.id}/preview`;
    await visit.again(sentenceOf(error), { action, fields: { act: name } });
  }
}

/** What staff do with a request, a form each. The table of transitions decides whether it is allowed. */
export function requestActs(parts: RequestActParts) {
  return (shell: StaffShell): void => {
    for (const [name, act] of Object.entries(ACTS)) {
      const permission = ON_TAKING.has(name) ? 'requests.take' : 'requests.work';
      shell.post(`/staff/requests/:id/${name}`, permission, (visit) => doAct(parts, visit, name, act));
    }
  };
}
