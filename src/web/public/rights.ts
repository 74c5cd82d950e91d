import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { TFunction } from 'i18next';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, maskContact, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { countriesIn, isJurisdiction, type Place } from '../../core/jurisdiction.js';
import type { Policy } from '../../core/policy.js';
import {
  allowedActions,
  isClosed,
  isRequestKind,
  REQUEST_KINDS,
  type RequestKind,
  takesEffectAtOnce,
} from '../../core/request.js';
import { clockFor } from '../../core/request-clock.js';
import type { Link, Links } from '../../preferences/links.js';
import { FILE_LIMIT } from '../../rights/file-kind.js';
import type { Rights } from '../../rights/index.js';
import { PERSON, TEXT_LIMIT } from '../../rights/records.js';
import { referenceOf } from '../../rights/reference.js';
import type { RequestRecord } from '../../store/requests.js';
import type { Bodies } from '../body-budget.js';
import { multipart, UPLOAD_LIMIT, uploadsOf } from '../multipart.js';
import { isOneClickBody } from './misplaced-one-click.js';
import type { Pages } from './pages.js';

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

/** Of a place that has no code of its own. */
const ELSEWHERE = 'ZZ';

export interface RightsPagesParts {
  readonly rights: Rights;
  readonly pages: Pages;
  readonly links: Links;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly publicUrl: () => string;
  /** Counts a token that was not ours; throws when there were too many from one network. */
  readonly refuse: (request: Request) => Promise<void>;
  /** The network of whoever asks. */
  readonly askerOf: (request: Request) => string;
  /** Keeps room in memory for forms with files. */
  readonly bodies: Pick<Bodies, 'admit'>;
  /** Counts a use of the public form; throws when there were too many from one network. */
  readonly countForm: (request: Request) => Promise<void>;
  /** The same, wider, before the body is read: it may be an opt-out. */
  readonly countUnread: (request: Request) => Promise<void>;
  /** The same for an opt-out. */
  readonly countDenial: (request: Request) => Promise<void>;
}

interface Fault {
  readonly field: string;
  readonly message: string;
}

/** `/rights`: ask for what the law gives, as the person or for somebody else; then verify, follow, and write. */
export function rightsPages(parts: RightsPagesParts): Router {
  const { rights, pages, links, catalog, policy, clock } = parts;
  const router = Router();
  // Before one byte is read: who sent too much already need not upload, and there is room for what comes.
  const read: RequestHandler[] = [
    async (request, _response, next) => {
      await parts.countUnread(request);
      next();
    },
    parts.bodies.admit(UPLOAD_LIMIT),
    multipart(UPLOAD_LIMIT),
  ];

  /** Every country by name, the group's own first, and somewhere we have no name for last. */
  function places(language: string): Place[] {
    const own = catalog.group.defaultCountry;
    const all = countriesIn(language);
    return [
      ...all.filter(({ value }) => value === own),
      ...all.filter(({ value }) => value !== own),
      { value: ELSEWHERE, label: '' },
    ];
  }

  const field = (request: Request, name: string): string => {
    const value: unknown = request.body?.[name];
    return typeof value === 'string' ? value.trim() : '';
  };

  function dateWords(language: string, record: RequestRecord, time: Date): string {
    const { timeZone } = clockFor(policy, record.jurisdiction);
    return new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone }).format(time);
  }

  function showForm(request: Request, response: Response, status: number, faults: readonly Fault[]): void {
    const { language } = pages.context(request);
    const values = Object.fromEntries(
      [
        'kind',
        'who',
        'name',
        'address',
        'phone',
        'postal',
        'place',
        'words',
        'agentName',
        'agentEmail',
        'publicKey',
      ].map((name) => [name, field(request, name).slice(0, TEXT_LIMIT)]),
    );
    const asked = request.query.kind;
    pages.send(request, response, status, 'rights', undefined, {
      kinds: ORDER,
      values: { ...values, kind: values.kind || (typeof asked === 'string' && isRequestKind(asked) ? asked : '') },
      places: places(language),
      faults,
      atOnce: takesEffectAtOnce,
      limit: FILE_LIMIT / 1024 / 1024,
    });
  }

  function pointOf(
    t: TFunction,
    input: Parameters<typeof normaliseContact>[0],
    name: string,
    faults: Fault[],
  ): ContactPoint | undefined {
    try {
      return normaliseContact(input, catalog.group.defaultCountry);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      faults.push({ field: name, message: t(`rights.fault.${'phone' in input ? 'badPhone' : 'badEmail'}`) });
      return undefined;
    }
  }

  router.get('/rights', (request, response) => showForm(request, response, 200, []));

  router.post('/rights', ...read, async (request, response) => {
    const { t, language } = pages.context(request);
    const faults: Fault[] = [];
    const missing = (name: string) => faults.push({ field: name, message: t(`rights.fault.${name}`) });
    const kind = REQUEST_KINDS.find((item) => item === field(request, 'kind'));
    const agent = field(request, 'who') === 'agent';
    const [address, phone, postal] = ['address', 'phone', 'postal'].map((name) => field(request, name));
    if (!kind) missing('kind');
    const email = address ? pointOf(t, { email: address }, 'address', faults) : undefined;
    const number = phone ? pointOf(t, { phone }, 'phone', faults) : undefined;
    if (!address && !phone) missing('address');
    // An answer has to reach somebody: by mail, or by post. What only stops needs none.
    else if (
      kind &&
      !takesEffectAtOnce(kind) &&
      !email &&
      !postal &&
      !(agent && field(request, 'agentEmail')) &&
      faults.length === 0
    ) {
      missing('answer');
    }
    if (kind && !takesEffectAtOnce(kind) && field(request, 'name') === '') missing('name');
    const agentEmail = field(request, 'agentEmail');
    if (agent && field(request, 'agentName') === '') missing('agentName');
    const agentPoint = agent && agentEmail !== '' ? pointOf(t, { email: agentEmail }, 'agentEmail', faults) : undefined;
    if (agent && agentEmail === '') missing('agentEmail');
    const place = field(request, 'place');
    if (place !== '' && place !== ELSEWHERE && !isJurisdiction(place)) missing('place');
    const [upload] = uploadsOf(request);
    if (upload) {
      try {
        rights.attachments.checked(upload.bytes);
      } catch (error) {
        if (!(error instanceof HushError)) throw error;
        faults.push({ field: 'file', message: t('rights.fault.file') });
      }
    }
    if (faults.length > 0 || !kind) return showForm(request, response, 400, faults);
    await (takesEffectAtOnce(kind) ? parts.countDenial(request) : parts.countForm(request));
    const contacts = [email, number].flatMap((point) => (point ? [{ point }] : []));
    const record = await rights.intake.receive(
      {
        kind,
        way: 'form',
        asker: parts.askerOf(request),
        contacts,
        language,
        name: field(request, 'name'),
        description: field(request, 'words'),
        postal,
        publicKey: /^-----BEGIN PGP PUBLIC KEY BLOCK-----/.test(field(request, 'publicKey'))
          ? field(request, 'publicKey')
          : undefined,
        ...(place === '' || place === ELSEWHERE ? {} : { jurisdiction: place }),
        ...(agent ? { agent: { name: field(request, 'agentName'), email: agentPoint?.given } } : {}),
      },
      agent ? rights.verification.byAgent : PERSON,
    );
    if (upload) await rights.attachments.keep(record, PERSON, upload);
    pages.send(request, response, 200, 'rights-done', undefined, {
      reference: referenceOf(record.id),
      kind,
      due: dateWords(language, record, record.due),
      effective: takesEffectAtOnce(kind),
      receipts: record.receipts,
      agent,
      byMail: email !== undefined || agentPoint !== undefined,
    });
  });

  /** The link of the request with what it is about, or undefined after the helpful 404 was sent. */
  async function found(
    request: Request,
    response: Response,
  ): Promise<{ link: Link; record: RequestRecord } | undefined> {
    const link = links.read(String(request.params.token), clock.now());
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

  function showStatus(
    request: Request,
    response: Response,
    link: Link,
    record: RequestRecord,
    said?: { readonly text?: string; readonly fault?: string },
  ): void {
    const { language } = pages.context(request);
    const messages = record.history
      .filter(({ what }) => what === 'message')
      .flatMap(({ at, facts, text }) => {
        const words = rights.seal.text(record, text);
        return words === undefined
          ? []
          : [{ at: dateWords(language, record, at), staff: facts?.from === 'staff', words }];
      });
    pages.send(request, response, said?.fault ? 400 : 200, 'rights-status', link.brand, {
      reference: referenceOf(record.id),
      kind: record.kind,
      state: record.state,
      closed: isClosed(record.state),
      received: dateWords(language, record, record.receivedAt),
      due: dateWords(language, record, record.due),
      extended: record.extendedAt !== undefined,
      answered: record.closedAt ? dateWords(language, record, record.closedAt) : undefined,
      confirmed: record.confirmedAt !== undefined,
      byAgent: record.byAgent,
      receipts: record.receipts,
      messages,
      said: said?.text,
      fault: said?.fault,
      action: `/rights/${link.token}?lang=${language}`,
      mayWrite: !isClosed(record.state),
      mayWithdraw: allowedActions(record.kind, record.state).includes('withdraw'),
      limit: FILE_LIMIT / 1024 / 1024,
    });
  }

  router.get('/rights/:token', async (request, response) => {
    const asked = await found(request, response);
    if (!asked) return;
    const { link, record } = asked;
    if (link.kind === 'request') return showStatus(request, response, link, record);
    const { t, language } = pages.context(request);
    // Looking confirms nothing: mail scanners look at every link.
    pages.send(request, response, 200, 'ask', link.brand, {
      title: t('rights.verify.title'),
      heading: t(record.byAgent ? 'rights.verify.agentHeading' : 'rights.verify.heading'),
      text: t(record.byAgent ? 'rights.verify.agentText' : 'rights.verify.text', {
        what: t(`rights.kind.${record.kind}.noun`),
        date: dateWords(language, record, record.receivedAt),
      }),
      masked: maskContact(link.point),
      quote: undefined,
      action: `/rights/${link.token}?lang=${language}`,
      act: 'verify',
      button: t(record.byAgent ? 'rights.verify.agentButton' : 'rights.verify.button'),
      otherwise: t('rights.verify.otherwise'),
    });
  });

  router.post('/rights/:token', ...read, async (request, response) => {
    const asked = await found(request, response);
    if (!asked) return;
    const { link, record } = asked;
    const { t } = pages.context(request);
    await parts.countForm(request);
    if (link.kind === 'verify') {
      // A mail program's one-click says that somebody wants no mail, not that the request is theirs.
      if (isOneClickBody(request.body)) return pages.missing(request, response);
      const verified = await rights.verification.byLink(link);
      if (!verified) {
        await parts.refuse(request);
        return pages.missing(request, response);
      }
      return pages.message(request, response, 200, link.brand, {
        title: t('rights.verify.title'),
        heading: t(isClosed(verified.state) ? 'rights.verify.over' : 'rights.verify.done'),
        text: t(isClosed(verified.state) ? 'rights.verify.overText' : 'rights.verify.doneText', {
          reference: referenceOf(verified.id),
        }),
        good: true,
      });
    }
    const by = rights.verification.byOf(record);
    if (field(request, 'act') === 'withdraw') {
      const withdrawn = await rights.answers.withdraw(record, by);
      return showStatus(request, response, link, withdrawn, { text: t('rights.status.withdrawn') });
    }
    if (isClosed(record.state)) return showStatus(request, response, link, record, { fault: t('rights.status.over') });
    const [upload] = uploadsOf(request);
    const words = field(request, 'words');
    if (words === '' && !upload)
      return showStatus(request, response, link, record, { fault: t('rights.fault.message') });
    try {
      if (upload) await rights.attachments.keep(record, by, upload);
    } catch (error) {
      if (!(error instanceof HushError) || (error.kind !== 'invalid' && error.kind !== 'too_large')) throw error;
      return showStatus(request, response, link, record, { fault: t('rights.fault.file') });
    }
    const now = await rights.records.get(record.id);
    const kept = words === '' ? now : await rights.answers.message(now, by, words);
    showStatus(request, response, link, kept, { text: t('rights.status.sent') });
  });

  return router;
}
