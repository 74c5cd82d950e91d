import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import { HushError } from '../../core/errors.js';
import { countriesIn, type Place } from '../../core/jurisdiction.js';
import { isRequestKind, type RequestKind, takesEffectAtOnce } from '../../core/request.js';
import { ACCEPTED, UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';
import type { NewRequest } from '../../rights/requests/intake.js';
import { AGENT, PERSON, TEXT_LIMIT } from '../../rights/requests/records.js';
import { referenceOf } from '../../rights/requests/reference.js';
import { fieldOf } from '../field.js';
import { uploadsOf } from '../middleware/multipart.js';
import { statusOf } from '../middleware/problem.js';
import { ELSEWHERE, type Fault, RIGHTS_FIELDS, readRightsForm } from './rights-input.js';
import { dayOf, fileFaults, type RightsPagesParts, refusalWords } from './rights-parts.js';

/** Order as people look for them: what stops comes first. */
const ORDER: readonly RequestKind[] = [
  'opt_out',
  'access',
  'correction',
  'deletion',
  'restriction',
  'objection',
  'consent_withdrawal',
  'automated_decision_review',
];
const PATH = '/rights';
/** What a form carries so that sending it twice, by a double click or after Back, is one request. */
const SENDING = /^[\w-]{22}$/;

/** Every country by name, the group's own first, and somewhere we have no name for last. */
function placesByName(parts: Pick<RightsPagesParts, 'catalog'>, language: string): Place[] {
  const { catalog } = parts;
  const own = catalog.group.defaultCountry;
  const all = countriesIn(language);
  return [
    ...all.filter(({ value }) => value === own),
    ...all.filter(({ value }) => value !== own),
    { value: ELSEWHERE, label: '' },
  ];
}

function formValues(request: Request) {
  return Object.fromEntries(
    RIGHTS_FIELDS.map((name) => [name, fieldOf(request, name).slice(0, name === 'publicKey' ? 20_000 : TEXT_LIMIT)]),
  ) as Record<(typeof RIGHTS_FIELDS)[number], string>;
}

/** The form with all that was typed. A browser does not send a file's name back: which to choose again is said. */
function showForm(
  parts: Pick<RightsPagesParts, 'pages' | 'catalog'>,
  request: Request,
  response: Response,
  status: number,
  faults: readonly Fault[],
): void {
  const { pages } = parts;
  const { language } = pages.context(request);
  const values = formValues(request);
  const preset = request.query.kind;
  const sending = fieldOf(request, 'sending');
  pages.send(request, response, status, 'rights', undefined, {
    kinds: ORDER,
    values: { ...values, kind: values.kind || (typeof preset === 'string' && isRequestKind(preset) ? preset : '') },
    places: placesByName(parts, language),
    faults,
    chooseAgain: uploadsOf(request).map(({ name }) => name),
    sending: SENDING.test(sending) ? sending : randomBytes(16).toString('base64url'),
    languageForm: 'rights',
    limit: UPLOAD_LIMIT / 1024 / 1024,
    accepted: ACCEPTED,
  });
}

async function showDone(
  parts: RightsPagesParts,
  request: Request,
  response: Response,
  id: string,
  line?: string,
): Promise<void> {
  const { rights, pages, policy, catalog } = parts;
  const record = await rights.records.get(id);
  const { language, t } = pages.context(request);
  pages.send(request, response, 200, 'rights-done', undefined, {
    reference: referenceOf(record.id),
    kind: record.kind,
    due: dayOf(policy, language, record, record.due),
    effective: takesEffectAtOnce(record.kind),
    receipts: record.receipts,
    agent: record.byAgent,
    byMail: record.contacts.some(({ type }) => type === 'email'),
    mayAskAgain: record.confirmedAt === undefined && rights.verification.canAsk(record),
    did: String(request.query.did),
    said: line && t(line, { phone: catalog.group.phone }),
  });
}

/** Takes the request in once, however often the same form is sent. */
async function receiveOnce(parts: Pick<RightsPagesParts, 'rights'>, request: Request, wanted: NewRequest) {
  const { rights } = parts;
  const by = wanted.agent ? AGENT : PERSON;
  const sending = fieldOf(request, 'sending');
  if (!SENDING.test(sending)) return rights.intake.receive(wanted, by);
  try {
    return await rights.intake.receive({ ...wanted, writer: { name: 'rights-form', id: sending } }, by);
  } catch (error) {
    // Changed after Back: another request.
    if (!(error instanceof HushError) || error.kind !== 'id_reused') throw error;
    return rights.intake.receive(wanted, by);
  }
}

async function receiveRequest(parts: RightsPagesParts, request: Request, response: Response): Promise<void> {
  const { pages, catalog, rights, results } = parts;
  const { t, language } = pages.context(request);
  const { input, faults } = readRightsForm(formValues(request), t, catalog.group.defaultCountry);
  faults.push(...fileFaults(pages, request));
  if (faults.length > 0 || !input) return showForm(parts, request, response, 400, faults);
  await (takesEffectAtOnce(input.kind) ? parts.countDenial(request) : parts.countForm(request));
  const { points, ...wanted } = input;
  const record = await receiveOnce(parts, request, {
    ...wanted,
    way: 'form',
    asker: parts.askerOf(request),
    contacts: points.map((point) => ({ point })),
    language,
  });
  const by = record.byAgent ? AGENT : PERSON;
  const isNew = record.history.every(({ what }) => what !== 'file');
  if (isNew) for (const { stored } of uploadsOf(request)) if (stored) await rights.attachments.keep(record, by, stored);
  pages.seeOther(request, response, PATH, { did: results.seal(PATH, { lines: [], request: record.id }) });
}

/** The mail with the button once more, for whoever has just made the request. */
async function sendConfirmationAgain(parts: RightsPagesParts, request: Request, response: Response): Promise<void> {
  const { results, pages, rights } = parts;
  const id = results.open(PATH, fieldOf(request, 'did'))?.request;
  if (id === undefined) return pages.seeOther(request, response, PATH);
  await parts.countForm(request);
  const isSent = await rights.records.onLatest(id, (record) =>
    rights.verification.sendAgain(record, record.byAgent ? AGENT : PERSON, parts.askerOf(request)),
  );
  const key = isSent ? 'rights.again.sent' : 'rights.again.wait';
  pages.seeOther(request, response, PATH, { did: results.seal(PATH, { lines: [{ key }], request: id }) });
}

export async function showRightsForm(parts: RightsPagesParts, request: Request, response: Response): Promise<void> {
  const { results } = parts;
  const result = results.open(PATH, request.query.did);
  if (result?.request) return showDone(parts, request, response, result.request, result.lines[0]?.key);
  // Not `no-store`: a browser then shows on Back what was typed.
  response.set('Cache-Control', 'private, no-cache');
  showForm(parts, request, response, 200, []);
}

export async function receiveRightsForm(parts: RightsPagesParts, request: Request, response: Response): Promise<void> {
  const { pages, catalog } = parts;
  // A language was chosen: the same form in other words.
  if (fieldOf(request, 'act') === 'language') return showForm(parts, request, response, 200, []);
  if (fieldOf(request, 'act') === 'again') return sendConfirmationAgain(parts, request, response);
  try {
    await receiveRequest(parts, request, response);
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    const message = refusalWords(pages, request, error, catalog.group.phone);
    showForm(parts, request, response, statusOf(error.kind), [{ field: 'send', message }]);
  }
}
