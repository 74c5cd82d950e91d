import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Rights } from '../../rights/index.js';
import { LETTER_KINDS } from '../../rights/letters/letter.js';
import type { RequestLetters } from '../../rights/letters/letters.js';
import type { LetterStore, StoredLetter } from '../../store/letters.js';
import type { OutboxStore } from '../../store/outbox.js';
import { type List, sentAsCsv, viewList } from './list.js';
import { when } from './render.js';
import { mayRead } from './request-page.js';
import type { StaffShell, Visit } from './shell.js';

interface LetterPageParts {
  readonly letters: RequestLetters;
  readonly rights: Pick<Rights, 'records'>;
  readonly store: LetterStore;
  readonly outbox: Pick<OutboxStore, 'outcome'>;
  readonly clock: Clock;
}

async function letterFor({ store }: Pick<LetterPageParts, 'store'>, visit: Visit): Promise<StoredLetter> {
  const letter = await store.get(visit.param('id'));
  if (!letter) throw new HushError('not_found', 'there is no such letter');
  return letter;
}

/** May this visitor read the words: as for the request that the letter is about. */
async function mayReadLetter(
  { rights, clock }: Pick<LetterPageParts, 'rights' | 'clock'>,
  visit: Visit,
  letter: StoredLetter,
): Promise<boolean> {
  try {
    return mayRead(visit, await rights.records.get(letter.request), clock);
  } catch (error) {
    if (!(error instanceof HushError) || error.kind !== 'not_found') throw error;
    return visit.may('requests.work');
  }
}

function kindWords(visit: Visit, kind: string) {
  return visit.pages.word('letter', LETTER_KINDS.find((known) => known === kind) ?? kind);
}

function letterList({ store }: Pick<LetterPageParts, 'store'>, visit: Visit, all: boolean): List<StoredLetter> {
  return {
    name: 'letters',
    title: 'Letters to print',
    noun: ['letter', 'letters'],
    filters: [
      {
        name: 'show',
        label: 'Show',
        options: [{ value: 'all', label: 'printed ones too' }],
      },
    ],
    columns: [
      { label: 'Written', text: ({ at }) => when(at), sort: 'at' },
      { label: 'Kind', text: ({ kind }) => kindWords(visit, kind), href: ({ id }) => `/staff/letters/${id}` },
      { label: 'Request', text: ({ request }) => request },
      { label: 'By', text: ({ by }) => by },
      {
        label: 'State',
        text: ({ printed }) => (printed ? `printed ${when(printed.at)} by ${printed.by}` : 'waiting to be printed'),
        tone: ({ printed }) => (printed ? 'soft' : 'warn'),
      },
    ],
    empty: {
      title: 'No letter to print',
      text: 'When a request is answered and we only have a postal address, its letter is listed here to be printed and posted.',
    },
    // Those that wait: the one that waits longest first.
    order: { by: 'at', descending: all },
    time: 'at',
    rows: (skip, limit, { descending }) => store.toPrint(all, skip, limit, descending),
  };
}

async function showLetters(parts: Pick<LetterPageParts, 'store'>, visit: Visit) {
  const all = visit.query('show') === 'all';
  const spec = letterList(parts, visit, all);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('list', {
    title: spec.title,
    intro:
      'Letters to people for whom we only have a postal address. Open one, print it, post it, then mark it as printed.',
    list: await viewList(visit, spec),
  });
}

async function showLetter(parts: LetterPageParts, visit: Visit) {
  const { letters, outbox } = parts;
  const letter = await letterFor(parts, visit);
  const readable = await mayReadLetter(parts, visit, letter);
  const about = `${letter.request} ${letter.kind} ${letter.id}`;
  await visit.record({ kind: 'look', what: 'letter', about: readable ? about : `${about} without its words` });
  const [content, outcome] = await Promise.all([
    readable ? letters.asSent(letter.id) : undefined,
    letter.way === 'mail' ? outbox.outcome(`letter:${letter.id}`) : undefined,
  ]);
  await visit.page('letter', {
    title: kindWords(visit, letter.kind),
    letter,
    readable,
    content: content && { subject: content.subject, text: content.text, pdf: content.pdf !== undefined },
    outcome,
  });
}

async function sendLetterPdf(parts: LetterPageParts, visit: Visit) {
  const { letters } = parts;
  const letter = await letterFor(parts, visit);
  if (!(await mayReadLetter(parts, visit, letter))) {
    await visit.record({ kind: 'refusal', what: 'person_refused', about: `${letter.request} ${letter.id}` });
    throw new HushError('forbidden', 'give your reason for opening this person’s page first');
  }
  const content = await letters.asSent(letter.id);
  if (!content?.pdf) throw new HushError('not_found', 'the text of this letter is gone');
  await visit.record({ kind: 'export', what: 'letter', about: `${letter.request} ${letter.kind} ${letter.id}` });
  visit.response
    .type('application/pdf')
    .set('Cache-Control', 'no-store')
    .set('Content-Disposition', `attachment; filename="letter-${letter.id}.pdf"`)
    .send(content.pdf);
}

async function markPrinted(parts: Pick<LetterPageParts, 'store' | 'clock'>, visit: Visit) {
  const { store, clock } = parts;
  const letter = await letterFor(parts, visit);
  await visit.record({ kind: 'change', what: 'letter_printed', about: `${letter.request} ${letter.id}` });
  const first = await store.printed(letter.id, new Date(clock.now()), visit.user.id);
  await visit.go('/staff/letters', first ? 'Marked as printed.' : 'It was marked as printed before.');
}

/** Letters as they went out, and those that wait for a printer. */
export function letterPages(parts: LetterPageParts) {
  const { store } = parts;

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Requests',
      href: '/staff/letters',
      label: 'Letters',
      permission: 'requests.read',
      count: async () => (await store.toPrint(false, 0, 1)).total,
    });

    shell.get('/staff/letters', 'requests.read', (visit) => showLetters(parts, visit));

    shell.get('/staff/letters/:id', 'requests.read', (visit) => showLetter(parts, visit));

    shell.get('/staff/letters/:id/pdf', 'requests.read', (visit) => sendLetterPdf(parts, visit));

    shell.post('/staff/letters/:id/printed', 'requests.take', (visit) => markPrinted(parts, visit));
  };
}
