import type { Clock } from '../../core/clock.js';
import { hideLinks } from '../../core/hidden-links.js';
import { type InboundReview, REVIEW_KINDS, type ReviewDetail, type ReviewKind } from '../../inbound/review.js';
import { maskAddresses } from '../../staff/mask-addresses.js';
import type { ReviewLine } from '../../store/inbound-review.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import { mayReadAbout, NEEDS_REASON, REASONS, reasonFor, tookReason } from './may-read.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { receiptOf } from './words.js';

/** What the list shows at most; older ones come up as these are decided. */
const MAX_LISTED = 500;

interface ReviewPageParts {
  readonly review: InboundReview;
  readonly clock: Clock;
}

function reviewKindOf(text: string): ReviewKind | undefined {
  return REVIEW_KINDS.find((kind) => kind === text);
}

function mayRead({ clock }: Pick<ReviewPageParts, 'clock'>, visit: Visit, contact: Buffer) {
  return mayReadAbout(visit, { decides: 'review.decide', contacts: [contact] }, clock);
}

/** What came, as this visitor may see it: an address in full only where an address may be shown in full. */
function factsFor(
  parts: Pick<ReviewPageParts, 'clock'>,
  visit: Visit,
  item: ReviewDetail,
): [name: string, value: string][] {
  if (!mayRead(parts, visit, item.contact)) return [];
  return Object.entries(item.facts).map(([name, value]) => {
    const text = hideLinks(value);
    return [name, visit.may('people.unmask') ? text : maskAddresses(text)];
  });
}

async function showReview(parts: Pick<ReviewPageParts, 'review' | 'clock'>, visit: Visit): Promise<void> {
  const { review, clock } = parts;
  const item = await review.open(visit.param('id'));
  const readable = mayRead(parts, visit, item.contact);
  await visit.record({
    kind: 'look',
    what: 'review',
    contact: item.contact,
    ...reasonFor(visit, item.contact, clock),
    about: readable ? item.id : `${item.id} without what it says`,
  });
  await visit.page('review', {
    title: visit.pages.word('review', item.kind),
    item,
    readable,
    facts: factsFor(parts, visit, item),
    reasons: REASONS,
    receipts: (item.events ?? []).map(receiptOf),
    mayDecide: item.waiting && visit.may('review.decide'),
  });
}

function reviewList(visit: Visit, all: readonly ReviewLine[]): List<ReviewLine> {
  return {
    name: 'review',
    title: 'Returned mail and texts to look at',
    noun: ['report', 'reports'],
    filters: [
      {
        name: 'kind',
        label: 'What',
        options: REVIEW_KINDS.map((value) => ({ value, label: visit.pages.word('review', value) })),
      },
      { name: 'q', label: 'Address or reason' },
    ],
    columns: [
      {
        label: 'Received',
        text: (item) => when(item.receivedAt),
        href: (item) => `/staff/review/${item.id}`,
        sort: 'at',
      },
      { label: 'What', text: (item) => visit.pages.word('review', item.kind), sort: 'kind' },
      { label: 'About', text: (item) => item.masked, sort: 'about' },
      { label: 'Reason', text: (item) => [item.reason, item.status].filter(Boolean).join(' ') },
      { label: 'Why it needs review', text: (item) => visit.pages.word('waits', item.why), tone: () => 'warn' },
    ],
    empty: {
      title: 'Nothing is waiting',
      text: 'Bounces and complaints without proof that we sent the mail, and messages that were not understood automatically, wait here until someone decides.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: rowsOf(all, visit.query('q'), (item) => `${item.masked} ${item.reason ?? ''} ${item.status ?? ''}`, {
      at: ({ receivedAt }) => receivedAt.getTime(),
      kind: ({ kind }) => kind,
      about: ({ masked }) => masked,
    }),
  };
}

async function showReviewList({ review }: Pick<ReviewPageParts, 'review'>, visit: Visit) {
  const kind = reviewKindOf(visit.query('kind'));
  const all = await review.list({ ...(kind ? { kind } : {}), limit: MAX_LISTED });
  const list = reviewList(visit, all);
  if (await sentAsCsv(visit, list)) return;
  await visit.page('list', {
    title: list.title,
    intro: 'Nothing here has been recorded yet. It is deleted automatically after 90 days.',
    list: await viewList(visit, list),
  });
}

async function giveReviewReason({ review, clock }: Pick<ReviewPageParts, 'review' | 'clock'>, visit: Visit) {
  const { id, contact } = await review.open(visit.param('id'));
  if (!tookReason(visit, [contact], clock)) return visit.again(NEEDS_REASON);
  await visit.go(`/staff/review/${id}`);
}

async function decideReview({ review }: Pick<ReviewPageParts, 'review'>, visit: Visit) {
  const id = visit.param('id');
  const item = await review.open(id);
  const decision = visit.field('decision');
  if (decision === 'dismiss') {
    await visit.record({ kind: 'change', what: 'review_dismissed', contact: item.contact, about: id });
    await review.dismiss(id, { actor: visit.user.id });
    return visit.go('/staff/review', 'Dismissed. Nothing was recorded, and its text was deleted.');
  }
  const accepted = await review.confirm(id, {
    actor: visit.user.id,
    about: decision === 'token' ? 'token' : 'address',
  });
  await visit.record({
    kind: 'change',
    what: 'review_confirmed',
    contact: item.contact,
    about: [id, ...accepted.map((event) => receiptOf(event.id))].join(' '),
  });
  return visit.go(`/staff/review/${id}`, 'Recorded.');
}

/** Returned mail and texts that came without proof, or that no rule could read: a person decides. */
export function reviewPages(parts: ReviewPageParts) {
  const { review } = parts;

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Approvals',
      href: '/staff/review',
      label: 'Returned mail',
      permission: 'review.read',
      count: async (may) => (may('review.decide') ? (await review.list({ limit: 100 })).length : 0),
    });

    shell.get('/staff/review', 'review.read', (visit) => showReviewList(parts, visit));

    shell.get('/staff/review/:id', 'review.read', (visit) => showReview(parts, visit));

    shell.post('/staff/review/:id/look', 'review.read', (visit) => giveReviewReason(parts, visit));

    shell.post('/staff/review/:id/decide', 'review.decide', (visit) => decideReview(parts, visit));
  };
}
