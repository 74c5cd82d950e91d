import type { Logger } from 'pino';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import type { Alert } from '../core/request-clock.js';
import type { Composer } from '../mail/compose.js';
import type { Outbox } from '../mail/outbox.js';
import { createRecipientLimits } from '../mail/recipient-limits.js';
import type { Accept } from '../preferences/accept.js';
import type { LanguageOf } from '../preferences/contact-language.js';
import type { Links } from '../preferences/links.js';
import type { Post } from '../preferences/outgoing-mail.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Undo } from '../preferences/undo.js';
import type { Queues } from '../queues.js';
import type { Stores } from '../store/open.js';
import type { RequestRecord } from '../store/requests.js';
import type { BoundDestination } from '../sync/destination.js';
import type { HttpClient } from '../sync/http.js';
import { createAccessDelivery } from './access/delivery.js';
import { createGather } from './access/gather.js';
import { createAccessPackages } from './access/packages.js';
import { createAskSystem } from './access/systems.js';
import { createAccessWords } from './access/words.js';
import { createLetters, type RequestLetters } from './letters/letters.js';
import { createPostLetters } from './letters/post-letters.js';
import { createAnswers } from './requests/answers.js';
import { createAttachments } from './requests/attachments.js';
import { createRequestContents } from './requests/contents.js';
import { createEffects } from './requests/effects.js';
import { createErasures } from './requests/erasure.js';
import { createErasurePreview } from './requests/erasure-preview.js';
import { createFulfilment } from './requests/fulfilment.js';
import { createIntake } from './requests/intake.js';
import { createRequestSeal, type RequestSeal } from './requests/personal.js';
import { createRecords } from './requests/records.js';
import { createReport } from './requests/report.js';
import { createVerification } from './requests/verification.js';
import { createWatch } from './requests/watch.js';

interface RightsParts {
  readonly stores: Stores;
  readonly accept: Accept;
  readonly links: Links;
  readonly undo: Undo;
  readonly composer: Composer;
  readonly outbox: Pick<Outbox, 'enqueue'>;
  readonly post: Post;
  readonly languageOf: LanguageOf;
  readonly privateParts: PrivateParts;
  readonly http: HttpClient;
  readonly destinations: readonly BoundDestination[];
  /** Other systems are asked at public addresses only. */
  readonly production: boolean;
  readonly folders: { readonly locales: string };
  readonly queues: Pick<Queues, 'add'>;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly publicUrl: () => string;
  readonly log: Logger;
  readonly onAlert: (kind: Alert['kind']) => void;
}

/** The answer to an access request: gathered here and in other systems, kept sealed, handed over. */
function createAccess(
  parts: RightsParts & {
    readonly letters: RequestLetters;
    readonly seal: RequestSeal;
  },
) {
  const { stores, http, clock, machine } = parts;
  const contents = createRequestContents({ store: stores.requests, files: stores.requestFiles, seal: parts.seal });
  const packages = createAccessPackages({
    ...parts,
    provenAddresses: contents.provenAddresses,
    onQueued: () => parts.queues.add('access-package'),
    store: stores.accessPackages,
    contacts: stores.contacts,
    gather: createGather({
      ...parts,
      contacts: stores.contacts,
      ledger: stores.ledger,
      trail: stores.trail,
      requestsOf: contents.ofContacts,
      lettersOf: parts.letters.ofRequest,
    }),
    ask: createAskSystem({ http, now: clock.now, machine, publicOnly: parts.production }),
    words: createAccessWords({ catalog: parts.catalog, localesDir: parts.folders.locales }),
  });
  const delivery = createAccessDelivery({
    ...parts,
    packages,
    store: stores.accessPackages,
    outbox: stores.outbox,
    post: parts.outbox.enqueue,
  });
  return { packages, delivery };
}

/** Rights requests from receipt to purge: one workflow for eight kinds, each change with its entry, every deadline watched. */
export function createRights(parts: RightsParts) {
  const { stores, accept, links, keyring, catalog, policy, clock, machine, publicUrl, log } = parts;
  const { contacts } = stores;
  const mail = parts.post;
  const letters = createLetters({ ...parts, store: stores.letters, post: parts.outbox.enqueue });
  const store = stores.requests;
  const files = stores.requestFiles;
  const seal = createRequestSeal(keyring);
  const records = createRecords({ store, seal, clock });
  /** The person's own language, as it is known today, else that of the request. */
  const languageFor = (record: RequestRecord) => parts.languageOf(record.contacts, record.language);
  const { packages, delivery } = createAccess({ ...parts, letters, seal });
  const post = createPostLetters({
    store,
    records,
    seal,
    letters,
    languageFor,
    links,
    catalog,
    policy,
    clock,
    publicUrl,
    log,
  });
  const effects = createEffects({
    accept,
    contacts,
    seal,
    catalog,
    undo: parts.undo,
  });
  const admitMail = createRecipientLimits({
    store: stores.outbox,
    keyring,
    country: catalog.group.defaultCountry,
    clock,
    machine,
  });
  const intake = createIntake({
    store,
    records,
    seal,
    effects,
    post,
    contacts,
    admitMail,
    keyring,
    catalog,
    policy,
    clock,
    machine,
    log,
  });
  const erasures = createErasures({ store, records, post, contacts });
  const watch = createWatch({
    store,
    seal,
    keyring,
    files,
    records,
    intake,
    post,
    erasures,
    packages,
    purgeLetters: stores.letters.forgetRequest,
    mail,
    leader: stores.leaders.leaderFor('requests', 60_000),
    catalog,
    policy,
    clock,
    machine,
    publicUrl,
    log,
    onAlert: parts.onAlert,
  });
  return {
    seal,
    records,
    post,
    letters,
    intake,
    erasures,
    watch,
    verification: createVerification({ records, post, files, admitMail, clock }),
    answers: createAnswers({ records, post, mail, policy, clock }),
    fulfilment: createFulfilment({
      records,
      post,
      effects,
      accept,
      contacts,
      seal,
      packages,
      languageFor,
      keyring,
      clock,
    }),
    attachments: createAttachments({ files, records, seal, clock, machine }),
    report: createReport({ store, policy, clock }),
    previewErasure: createErasurePreview({ contacts, store, destinations: parts.destinations }),
    accessPackages: packages,
    accessDelivery: delivery,
  };
}

export type Rights = ReturnType<typeof createRights>;
