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

/** `/rights/:token`: the question whether it was you, and the page of a request with its messages. */
export function rightsStatus(parts: RightsPagesParts) {
  const { rights, pages, results, links, catalog, policy, clock } = parts;

  /** The link of the request, also one that is over, with what it is about; undefined after the helpful 404 was sent. */
  async function open(request: Request, response: Response): Promise<Opened | undefined> {
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
  function seeResult(request: Request, response: Response, link: Link, key?: string): void {
    pages.seeOther(request, response, `/rights/${link.token}`, {
      did: key === undefined ? undefined : results.seal(link.token, { lines: [{ key }] }),
    });
  }

  /** Whether it was you: asked, or answered already. Looking confirms nothing: mail scanners look at every link. */
  function showQuestion(request: Request, response: Response, opened: Opened): void {
    const { link, record } = opened;
    const { t, language } = pages.context(request);
    const statusPage = `/rights/${links.seal('request', link.point, link.scope, record.id)}?lang=${language}`;
    const isAnswered = record.history.some(({ what }) => what === 'declined')
      ? 'declined'
      : isClosed(record.state)
        ? 'over'
        : record.confirmedAt || (record.state !== 'received' && record.state !== 'verifying')
          ? 'done'
          : undefined;
    if (isAnswered) {
      pages.message(request, response, 200, link.brand, {
        title: t('rights.verify.title'),
        heading: t(`rights.verify.${isAnswered}`),
        text: t(`rights.verify.${isAnswered}Text`, { reference: referenceOf(record.id) }),
        good: true,
        ways: [{ href: statusPage, label: t('rights.verify.status') }],
      });
      return;
    }
    const result = results.open(link.token, request.query.did);
    if (isOver(link, clock.now())) {
      showOver(request, response, opened, result?.lines[0]?.key);
      return;
    }
    pages.send(request, response, 200, 'ask', link.brand, {
      title: t('rights.verify.title'),
      heading: t(record.byAgent ? 'rights.verify.agentHeading' : 'rights.verify.heading'),
      text: t(record.byAgent ? 'rights.verify.agentText' : 'rights.verify.text', {
        agent: agentOf(request, record),
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
  function showOver(request: Request, response: Response, { link }: Opened, said: string | undefined): void {
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
  function agentOf(request: Request, record: RequestRecord): string {
    return greetable(rights.seal.personal(record)?.agent?.name) ?? pages.context(request).t('rights.verify.somebody');
  }

  async function answerQuestion(request: Request, response: Response, { link, record }: Opened): Promise<void> {
    // A mail program's one-click says that somebody wants no mail, not that the request is theirs.
    if (isOneClickBody(request.body)) return pages.missing(request, response);
    const { verification } = rights;
    const answer = fieldOf(request, 'act') === 'decline' ? verification.decline : verification.byLink;
    if (isOver(link, clock.now())) return seeResult(request, response, link);
    if (!(await rights.records.onLatest(record.id, () => answer(link)))) {
      await parts.refuse(request);
      return pages.missing(request, response);
    }
    seeResult(request, response, link);
  }

  function showRequest(
    request: Request,
    response: Response,
    { link, record }: Opened,
    status: number,
    shown: { readonly said?: string | undefined; readonly fault?: string } = {},
  ): void {
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
      agent: agentOf(request, record),
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

  async function withdraw(request: Request, response: Response, { link, record }: Opened): Promise<void> {
    const by = rights.verification.byOf(record, link);
    await rights.records.onLatest(record.id, async (now) =>
      // Pressed twice, or answered meanwhile: its page says so.
      allowedActions(now.kind, now.state).includes('withdraw') ? rights.answers.withdraw(now, by) : now,
    );
    seeResult(request, response, link);
  }

  async function write(request: Request, response: Response, opened: Opened): Promise<void> {
    const { link, record } = opened;
    const { t } = pages.context(request);
    const by = rights.verification.byOf(record, link);
    const fault = (key: string) => showRequest(request, response, opened, 400, { fault: t(key) });
    if (isClosed(record.state)) return fault('rights.status.over');
    const words = fieldOf(request, 'words');
    const uploads = uploadsOf(request);
    if (words === '' && uploads.length === 0) return fault('rights.fault.message');
    const [wrong] = fileFaults(pages, request);
    if (wrong) return showRequest(request, response, opened, 400, { fault: wrong.message });
    for (const { stored } of uploads) if (stored) await rights.attachments.keep(record, by, stored);
    if (words !== '') await rights.records.onLatest(record.id, (now) => rights.answers.message(now, by, words));
    seeResult(request, response, link, 'rights.status.sent');
  }

  /** Asks once more whether it was them, within the limits; what is said is the same whoever reads the address. */
  async function sendAgain(request: Request, response: Response, { link, record }: Opened): Promise<void> {
    const by = rights.verification.byOf(record, link);
    const isSent = await rights.records.onLatest(record.id, (now) =>
      rights.verification.sendAgain(now, by, parts.askerOf(request)),
    );
    seeResult(request, response, link, isSent ? 'rights.again.sent' : 'rights.again.wait');
  }

  return {
    async show(request: Request, response: Response): Promise<void> {
      const opened = await open(request, response);
      if (!opened) return;
      if (opened.link.kind === 'verify') return showQuestion(request, response, opened);
      const [line] = results.open(opened.link.token, request.query.did)?.lines ?? [];
      const said = line && pages.context(request).t(line.key, { phone: catalog.group.phone });
      showRequest(request, response, opened, 200, { said });
    },

    async send(request: Request, response: Response): Promise<void> {
      const opened = await open(request, response);
      if (!opened) return;
      const act = fieldOf(request, 'act');
      if (act === 'language' && opened.link.kind === 'request') return showRequest(request, response, opened, 200);
      if (opened.link.kind === 'verify') {
        await parts.countForm(request);
        const again = act === 'again' && !isOneClickBody(request.body);
        return again ? sendAgain(request, response, opened) : answerQuestion(request, response, opened);
      }
      try {
        await parts.countForm(request);
        const step = { withdraw, again: sendAgain }[act] ?? write;
        return await step(request, response, opened);
      } catch (error) {
        if (!(error instanceof HushError)) throw error;
        const fault = refusalWords(pages, request, error, catalog.group.phone);
        showRequest(request, response, opened, statusOf(error.kind), { fault });
      }
    },
  };
}
