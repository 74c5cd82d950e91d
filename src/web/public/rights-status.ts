import type { Request, Response } from 'express';
import { maskContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { allowedActions, isClosed } from '../../core/request.js';
import { isOver, type Link } from '../../preferences/links.js';
import { greetable } from '../../rights/letters/letters.js';
import { readersOf } from '../../rights/requests/answers.js';
import { ACCEPTED, UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';
import { TEXT_LIMIT } from '../../rights/requests/records.js';
import { referenceOf } from '../../rights/requests/reference.js';
import type { RequestRecord } from '../../store/requests.js';
import { fieldOf } from '../field.js';
import { uploadsOf } from '../middleware/multipart.js';
import { statusOf } from '../middleware/problem.js';
import { isOneClickBody } from './misplaced-one-click.js';
import { dayOf, fileFaults, type RightsPagesParts, refusalWords } from './rights-parts.js';

/** A link to a request with what it is about. */
interface Opened {
  readonly link: Link;
  readonly record: RequestRecord;
}

/** The link of the request, also one that is over, with what it is about; undefined after the helpful 404 was sent. */
async function openRequest(parts: RightsPagesParts, request: Request, response: Response): Promise<Opened | undefined> {
  const { links, rights, pages } = parts;
  const link = links.open(String(request.params.token));
  if (link && (link.kind === 'request' || link.kind === 'verify')) {
    try {
      return { link, record: await rights.records.get(link.reference) };
    } catch (error) {
      if (!(error instanceof HushError) || error.kind !== 'not_found') throw error;
    }
  }
  await parts.refuse(request);
  pages.missing(request, response);
  return undefined;
}

/** The result of an act by a page of its own: loaded again, it does nothing again. */
function seeResult(
  parts: Pick<RightsPagesParts, 'pages' | 'results'>,
  request: Request,
  response: Response,
  link: Link,
  key?: string,
): void {
  const { pages, results } = parts;
  pages.seeOther(request, response, `/rights/${link.token}`, {
    did: key === undefined ? undefined : results.seal(link.token, { lines: [{ key }] }),
  });
}

/** Whether it was you: asked, or answered already. Looking confirms nothing: mail scanners look at every link. */
function showQuestion(parts: RightsPagesParts, request: Request, response: Response, opened: Opened): void {
  const { pages, links, results, clock, policy } = parts;
  const { link, record } = opened;
  const { t, language } = pages.context(request);
  const statusPage = `/rights/${links.seal('request', link.point, link.scope, record.id)}?lang=${language}`;
  const outcome = record.history.some(({ what }) => what === 'declined')
    ? 'declined'
    : isClosed(record.state)
      ? 'over'
      : record.confirmedAt || (record.state !== 'received' && record.state !== 'verifying')
        ? 'done'
        : undefined;
  if (outcome) {
    pages.message(request, response, 200, link.brand, {
      title: t('rights.verify.title'),
      heading: t(`rights.verify.${outcome}`),
      text: t(`rights.verify.${outcome}Text`, { reference: referenceOf(record.id) }),
      good: true,
      ways: [{ href: statusPage, label: t('rights.verify.status') }],
    });
    return;
  }
  const result = results.open(link.token, request.query.did);
  if (isOver(link, clock.now())) {
    showExpiredQuestion(parts, request, response, opened, result?.lines[0]?.key);
    return;
  }
  pages.send(request, response, 200, 'ask', link.brand, {
    title: t('rights.verify.title'),
    heading: t(record.byAgent ? 'rights.verify.agentHeading' : 'rights.verify.heading'),
    text: t(record.byAgent ? 'rights.verify.agentText' : 'rights.verify.text', {
      agent: agentOf(parts, request, record),
      what: t(`rights.kind.${record.kind}.noun`),
      date: dayOf(policy, language, record, record.receivedAt),
    }),
    masked: maskContact(link.point),
    quote: undefined,
    action: `/rights/${link.token}?lang=${language}`,
    act: 'verify',
    button: t(record.byAgent ? 'rights.verify.agentButton' : 'rights.verify.button'),
    other: { act: 'decline', button: t('rights.verify.no') },
    otherwise: t(record.byAgent ? 'rights.verify.agentOtherwise' : 'rights.verify.otherwise'),
  });
}

/** A link to confirm whose time is over: a new one in one press. */
function showExpiredQuestion(
  parts: Pick<RightsPagesParts, 'pages' | 'catalog'>,
  request: Request,
  response: Response,
  { link }: Opened,
  said: string | undefined,
): void {
  const { pages, catalog } = parts;
  const { t, language } = pages.context(request);
  pages.send(request, response, said ? 200 : 410, 'ask', link.brand, {
    title: t('rights.verify.title'),
    heading: t('fresh.overTitle'),
    text: said ? t(said, { phone: catalog.group.phone }) : t('rights.verify.expired'),
    masked: undefined,
    quote: undefined,
    action: `/rights/${link.token}?lang=${language}`,
    act: 'again',
    button: t('rights.again.button'),
    otherwise: '',
  });
}

/** Who asks for the person, as they call themselves. */
function agentOf(parts: Pick<RightsPagesParts, 'rights' | 'pages'>, request: Request, record: RequestRecord): string {
  const { rights, pages } = parts;
  return greetable(rights.seal.personal(record)?.agent?.name) ?? pages.context(request).t('rights.verify.somebody');
}

async function answerQuestion(
  parts: RightsPagesParts,
  request: Request,
  response: Response,
  { link, record }: Opened,
): Promise<void> {
  const { pages, rights, clock } = parts;
  // A mail program's one-click says that somebody wants no mail, not that the request is theirs.
  if (isOneClickBody(request.body)) return pages.missing(request, response);
  const { verification } = rights;
  const decide = fieldOf(request, 'act') === 'decline' ? verification.decline : verification.byLink;
  if (isOver(link, clock.now())) return seeResult(parts, request, response, link);
  if (!(await rights.records.onLatest(record.id, () => decide(link)))) {
    await parts.refuse(request);
    return pages.missing(request, response);
  }
  seeResult(parts, request, response, link);
}

function showRequest(
  parts: Pick<RightsPagesParts, 'pages' | 'rights' | 'policy'>,
  request: Request,
  response: Response,
  { link, record }: Opened,
  status: number,
  shown: { readonly said?: string | undefined; readonly fault?: string } = {},
): void {
  const { pages, rights, policy } = parts;
  const { language } = pages.context(request);
  const reader = rights.verification.byOf(record, link).id;
  const messages = record.history
    .filter((entry) => entry.what === 'message' && readersOf(record, entry).includes(reader))
    .flatMap(({ at, facts, text }) => {
      const words = rights.seal.text(record, text);
      return words === undefined
        ? []
        : [{ at: dayOf(policy, language, record, at), staff: facts?.from === 'staff', words }];
    });
  pages.send(request, response, status, 'rights-status', link.brand, {
    reference: referenceOf(record.id),
    kind: record.kind,
    state: record.state,
    closed: isClosed(record.state),
    received: dayOf(policy, language, record, record.receivedAt),
    due: dayOf(policy, language, record, record.due),
    extended: record.extendedAt !== undefined,
    answered: record.closedAt ? dayOf(policy, language, record, record.closedAt) : undefined,
    // Words for whoever acts for the person, and for a person somebody acts for.
    context: reader === 'agent' ? 'agent' : record.byAgent ? 'represented' : undefined,
    agent: agentOf(parts, request, record),
    mayAskAgain: record.confirmedAt === undefined && rights.verification.canAsk(record),
    receipts: record.receipts,
    messages,
    said: shown.said,
    fault: shown.fault,
    words: fieldOf(request, 'words').slice(0, TEXT_LIMIT),
    chooseAgain: uploadsOf(request).map(({ name }) => name),
    languageForm: isClosed(record.state) ? undefined : 'write',
    action: `/rights/${link.token}?lang=${language}`,
    mayWrite: !isClosed(record.state),
    mayWithdraw: allowedActions(record.kind, record.state).includes('withdraw'),
    limit: UPLOAD_LIMIT / 1024 / 1024,
    accepted: ACCEPTED,
  });
}

async function withdrawRequest(
  parts: Pick<RightsPagesParts, 'rights' | 'pages' | 'results'>,
  request: Request,
  response: Response,
  { link, record }: Opened,
): Promise<void> {
  const { rights } = parts;
  const by = rights.verification.byOf(record, link);
  await rights.records.onLatest(record.id, async (now) =>
    // Pressed twice, or answered meanwhile: its page says so.
    allowedActions(now.kind, now.state).includes('withdraw') ? rights.answers.withdraw(now, by) : now,
  );
  seeResult(parts, request, response, link);
}

async function receiveMessage(
  parts: RightsPagesParts,
  request: Request,
  response: Response,
  opened: Opened,
): Promise<void> {
  const { pages, rights } = parts;
  const { link, record } = opened;
  const { t } = pages.context(request);
  const by = rights.verification.byOf(record, link);
  const fault = (key: string) => showRequest(parts, request, response, opened, 400, { fault: t(key) });
  if (isClosed(record.state)) return fault('rights.status.over');
  const words = fieldOf(request, 'words');
  const uploads = uploadsOf(request);
  if (words === '' && uploads.length === 0) return fault('rights.fault.message');
  const [wrong] = fileFaults(pages, request);
  if (wrong) return showRequest(parts, request, response, opened, 400, { fault: wrong.message });
  for (const { stored } of uploads) if (stored) await rights.attachments.keep(record, by, stored);
  if (words !== '') await rights.records.onLatest(record.id, (now) => rights.answers.message(now, by, words));
  seeResult(parts, request, response, link, 'rights.status.sent');
}

/** Asks once more whether it was them, within the limits; what is said is the same whoever reads the address. */
async function sendVerificationAgain(
  parts: RightsPagesParts,
  request: Request,
  response: Response,
  { link, record }: Opened,
): Promise<void> {
  const { rights } = parts;
  const by = rights.verification.byOf(record, link);
  const isSent = await rights.records.onLatest(record.id, (now) =>
    rights.verification.sendAgain(now, by, parts.askerOf(request)),
  );
  seeResult(parts, request, response, link, isSent ? 'rights.again.sent' : 'rights.again.wait');
}

export async function showRightsStatus(parts: RightsPagesParts, request: Request, response: Response): Promise<void> {
  const { results, pages, catalog } = parts;
  const opened = await openRequest(parts, request, response);
  if (!opened) return;
  if (opened.link.kind === 'verify') return showQuestion(parts, request, response, opened);
  const [line] = results.open(opened.link.token, request.query.did)?.lines ?? [];
  const said = line && pages.context(request).t(line.key, { phone: catalog.group.phone });
  showRequest(parts, request, response, opened, 200, { said });
}

export async function receiveRightsStatus(
  parts: RightsPagesParts,
  request: Request,
  response: Response,
): Promise<void> {
  const { pages, catalog } = parts;
  const opened = await openRequest(parts, request, response);
  if (!opened) return;
  const act = fieldOf(request, 'act');
  if (act === 'language' && opened.link.kind === 'request') return showRequest(parts, request, response, opened, 200);
  if (opened.link.kind === 'verify') {
    await parts.countForm(request);
    const again = act === 'again' && !isOneClickBody(request.body);
    return again
      ? sendVerificationAgain(parts, request, response, opened)
      : answerQuestion(parts, request, response, opened);
  }
  try {
    await parts.countForm(request);
    if (act === 'withdraw') return await withdrawRequest(parts, request, response, opened);
    if (act === 'again') return await sendVerificationAgain(parts, request, response, opened);
    return await receiveMessage(parts, request, response, opened);
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    const fault = refusalWords(pages, request, error, catalog.group.phone);
    showRequest(parts, request, response, opened, statusOf(error.kind), { fault });
  }
}
