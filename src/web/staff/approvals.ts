import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { contactKeyText } from '../../core/keys.js';
import type { ErasurePreview } from '../../rights/requests/erasure-preview.js';
import { referenceOf } from '../../rights/requests/reference.js';
import { type Approvals, type ErasureWanted, type ListWanted, scopesOfLift } from '../../staff/approvals.js';
import type { StaffUser } from '../../staff/audit-trail.js';
import type { FindCaller } from '../../staff/find-caller.js';
import type { LiftNotice, Notified } from '../../staff/lift-notice.js';
import type { Permission } from '../../staff/permissions.js';
import type { PersonFiles } from '../../staff/person.js';
import type { Approval } from '../../store/staff-approvals.js';
import { erasureWords } from './erasure-words.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import { mayReadAbout } from './may-read.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { receiptOf, scopeWords } from './words.js';

/** An erasure that waits for a second person; given by the rights part. */
export interface WaitingErasures {
  /** What it would do now; undefined when the request has changed since it was asked for, or is done. */
  readonly preview: (wanted: ErasureWanted) => Promise<ErasurePreview | undefined>;
  /** Begins it and returns its receipts. Throws `conflict` when the request has changed. */
  readonly erase: (wanted: ErasureWanted, by: StaffUser) => Promise<readonly string[]>;
}

export interface ApprovalParts {
  readonly approvals: Approvals;
  readonly notify: LiftNotice;
  readonly erasures: WaitingErasures | undefined;
  readonly find: FindCaller;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

const DECIDES: Readonly<Record<Approval['kind'], Permission>> = {
  lift: 'lifts.decide',
  export: 'exports.decide',
  erasure: 'erasures.decide',
};

const NOTIFIED: Readonly<Record<Notified, string>> = {
  mailed: 'The person is told by email.',
  failed: 'The email to the person could not be sent: tell them by phone or letter.',
  no_address: 'We have no email address: tell the person by phone or letter.',
};

async function eraseAs(
  parts: Pick<ApprovalParts, 'erasures'>,
  wanted: ErasureWanted,
  user: StaffUser,
): Promise<readonly string[]> {
  if (!parts.erasures) throw new HushError('unavailable', 'rights requests are not set up here', {});
  return parts.erasures.erase(wanted, user);
}

function currentStatus({ approvals }: Pick<ApprovalParts, 'approvals'>, approval: Approval) {
  return approvals.isExpired(approval) ? 'expired' : approval.status;
}

function aboutWords({ catalog }: Pick<ApprovalParts, 'catalog'>, visit: Visit, approval: Approval): string {
  if (approval.kind === 'lift') {
    return scopesOfLift(approval)
      .map((scope) => scopeWords(visit.pages, catalog, scope))
      .join('; ');
  }
  if (approval.kind === 'erasure')
    return `Request ${referenceOf((approval.details as unknown as ErasureWanted).request)}`;
  const { brand, channel, purpose } = approval.details as unknown as ListWanted;
  return scopeWords(visit.pages, catalog, { brand, channel, purpose, topic: '*' });
}

/** The approval of the path: one's own, or any for those who decide on its kind or audit. Others get the 404 of what does not exist. */
async function approvalOf({ approvals }: Pick<ApprovalParts, 'approvals'>, visit: Visit): Promise<Approval> {
  const approval = await approvals.get(visit.param('id'));
  const mine = approval?.user === visit.user.id;
  if (!approval || !(mine || visit.may(DECIDES[approval.kind]) || visit.may('audit.read'))) {
    throw new HushError('not_found', 'there is no such approval');
  }
  return approval;
}

async function erasurePreview(
  parts: Pick<ApprovalParts, 'erasures' | 'find' | 'files'>,
  approval: Approval,
  readable: boolean,
) {
  const { find, files } = parts;
  const preview = await parts.erasures?.preview(approval.details as unknown as ErasureWanted);
  if (!preview) return undefined;
  const keys = [...preview.erased, ...preview.kept].map(({ key }) => key);
  const contacts = readable ? await find.byKeys(keys) : undefined;
  return erasureWords(preview, (key) => {
    const contact = contacts?.get(key.toString('hex'));
    return contact ? files.masked(contact) : contactKeyText(key);
  });
}

/** Tells the person what was decided about a lift. Returns a sentence about it for whoever decided. */
async function notifyPerson(
  parts: Pick<ApprovalParts, 'find' | 'notify' | 'approvals'>,
  approval: Approval,
  outcome: 'confirmed' | 'refused',
  events: readonly string[],
): Promise<string> {
  const { find, approvals } = parts;
  const contact = approval.contact && (await find.byKey(approval.contact))?.contact;
  if (!contact) return '';
  const brand = scopesOfLift(approval)[0]?.brand ?? '*';
  const receipts = events.map(receiptOf);
  const notified = await parts.notify({ approval: approval.id, contact, brand, outcome, receipts });
  await approvals.notified(approval.id, notified);
  return ` ${NOTIFIED[notified]}`;
}

async function showApproval(parts: ApprovalParts, visit: Visit, approval: Approval): Promise<void> {
  const { find, approvals, files } = parts;
  const contact = approval.contact && (await find.byKey(approval.contact))?.contact;
  await visit.record({ kind: 'look', what: 'approval', contact: approval.contact, about: approval.id });
  const mine = approval.user === visit.user.id;
  const contacts = approval.contact ? [approval.contact] : [];
  const readable = mayReadAbout(visit, { decides: DECIDES[approval.kind], own: mine, contacts }, parts.clock);
  const { said, wording, reason, refusal } = readable ? approvals.written(approval) : {};
  const state = currentStatus(parts, approval);
  const overtaken = state === 'waiting' && (await approvals.isOvertaken(approval));
  await visit.page('approval', {
    title: visit.pages.word('approval', approval.kind),
    approval,
    state,
    mine,
    said,
    wording,
    reason,
    refusal,
    erasure:
      approval.kind === 'erasure' && state === 'waiting' ? await erasurePreview(parts, approval, readable) : undefined,
    request: approval.kind === 'erasure' ? (approval.details as unknown as ErasureWanted).request : undefined,
    masked: contact && readable ? files.masked(contact) : undefined,
    person: contact && !readable ? `/staff/contacts/${contactKeyText(contact.key)}` : undefined,
    words: aboutWords(parts, visit, approval),
    receipts: (approval.events ?? []).map(receiptOf),
    overtaken,
    mayDecide: !mine && state === 'waiting' && visit.may(DECIDES[approval.kind]),
    mayFetch: mine && approval.kind === 'export' && state === 'confirmed',
  });
}

function approvalList(
  parts: Pick<ApprovalParts, 'approvals' | 'catalog'>,
  visit: Visit,
  all: readonly Approval[],
): List<Approval> {
  const status = visit.query('status');
  const kind = visit.query('kind');
  return {
    name: 'approvals',
    title: 'Approvals',
    noun: ['approval', 'approvals'],
    filters: [
      {
        name: 'status',
        label: 'State',
        options: ['waiting', 'confirmed', 'refused', 'used', 'expired'].map((value) => ({
          value,
          label: visit.pages.word('approval', value),
        })),
      },
      {
        name: 'kind',
        label: 'What',
        options: Object.keys(DECIDES).map((value) => ({ value, label: visit.pages.word('approval', value) })),
      },
      { name: 'q', label: 'Who asked' },
    ],
    columns: [
      {
        label: 'Requested',
        text: (item) => when(item.at),
        href: (item) => `/staff/approvals/${item.id}`,
        sort: 'at',
      },
      { label: 'What', text: (item) => visit.pages.word('approval', item.kind), sort: 'kind' },
      { label: 'About', text: (item) => aboutWords(parts, visit, item) },
      { label: 'By', text: (item) => item.userName, sort: 'by' },
      {
        label: 'State',
        text: (item) => visit.pages.word('approval', currentStatus(parts, item)),
        tone: (item) => (currentStatus(parts, item) === 'waiting' ? 'warn' : 'soft'),
        sort: 'state',
      },
      { label: 'Decided by', text: (item) => item.decided?.userName ?? '' },
    ],
    empty: {
      title: 'Nothing is waiting',
      text: 'When a caller wants to opt back in, or someone needs a list with readable addresses, it waits here until a second person decides.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: rowsOf(
      all.filter(
        (item) => (status === '' || currentStatus(parts, item) === status) && (kind === '' || item.kind === kind),
      ),
      visit.query('q'),
      (item) => `${item.userName} ${item.id}`,
      {
        at: ({ at }) => at.getTime(),
        kind: ({ kind }) => kind,
        by: ({ userName }) => userName,
        state: (approval) => currentStatus(parts, approval),
      },
    ),
  };
}

async function showApprovals(parts: Pick<ApprovalParts, 'approvals' | 'catalog'>, visit: Visit) {
  const { approvals } = parts;
  const sees = visit.may('audit.read') || visit.may('lifts.decide');
  const all = await approvals.list(sees ? {} : { user: visit.user.id });
  const spec = approvalList(parts, visit, all);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('approvals', {
    title: 'Approvals',
    list: await viewList(visit, spec),
    mayAsk: visit.may('exports.request'),
  });
}

/** Approves or refuses one of the kind that the path names; whoever asked for it cannot decide. */
async function decideApproval(parts: ApprovalParts, visit: Visit, kind: Approval['kind']) {
  const { approvals } = parts;
  const approval = await approvalOf(parts, visit);
  if (approval.kind !== kind) throw new HushError('not_found', 'there is no such approval');
  if (approval.user === visit.user.id) {
    await visit.record({ kind: 'refusal', what: 'own', about: `approval ${approval.id}` });
    throw new HushError('forbidden', 'you cannot decide on your own request');
  }
  const confirmed = visit.field('decision') === 'confirm';
  const why = visit.field('why').slice(0, 400);
  if (!confirmed && why === '') return visit.again('Write why you refuse it. Whoever asked will see it.');
  let events: readonly string[] = [];
  if (!confirmed) await approvals.refuse(visit.user, approval, why);
  else if (kind === 'lift') events = await approvals.confirmLift(visit.user, approval);
  else if (kind === 'export') await approvals.confirmExport(visit.user, approval);
  else events = await approvals.confirmErasure(visit.user, approval, (wanted) => eraseAs(parts, wanted, visit.user));
  await visit.record({
    kind: 'change',
    what: `${kind}_${confirmed ? 'confirmed' : 'refused'}`,
    contact: approval.contact,
    note: confirmed ? undefined : why,
    about: [approval.id, ...events.map(receiptOf)].join(' '),
  });
  const outcome = confirmed ? 'Approved.' : 'Refused. Nothing has changed.';
  const notice =
    kind === 'lift' ? await notifyPerson(parts, approval, confirmed ? 'confirmed' : 'refused', events) : '';
  await visit.go(`/staff/approvals/${approval.id}`, outcome + notice);
}

/** What waits for a second person: lifts on a caller's word, lists with readable addresses. */
export function approvalPages(parts: ApprovalParts) {
  const { approvals } = parts;

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Approvals',
      href: '/staff/approvals',
      label: 'Approvals',
      permission: 'approvals.read',
      count: async (may) => (may('lifts.decide') ? approvals.countWaiting() : 0),
    });

    shell.get('/staff/approvals', 'approvals.read', (visit) => showApprovals(parts, visit));

    shell.get('/staff/approvals/:id', 'approvals.read', async (visit) =>
      showApproval(parts, visit, await approvalOf(parts, visit)),
    );

    for (const kind of ['lift', 'export', 'erasure'] as const) {
      shell.post(
        `/staff/${kind}s/:id/decide`,
        DECIDES[kind],
        (visit) => decideApproval(parts, visit, kind),
        '/staff/approvals/:id',
      );
    }
  };
}
