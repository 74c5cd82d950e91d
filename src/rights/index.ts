import type { Logger } from 'pino';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Policy } from '../core/policy.js';
import type { Alert } from '../core/request-clock.js';
import { createRecipientLimits } from '../mail/recipient-limits.js';
import type { Accept } from '../preferences/accept.js';
import type { LanguageOf } from '../preferences/contact-language.js';
import type { Links } from '../preferences/links.js';
import type { Post } from '../preferences/outgoing-mail.js';
import { createUndo } from '../preferences/undo.js';
import type { Stores } from '../store/open.js';
import type { RequestRecord } from '../store/requests.js';
import type { AccessPackages } from './access-port.js';
import { createAnswers } from './answers.js';
import { createAttachments } from './attachments.js';
import { createEffects } from './effects.js';
import { createErasures } from './erasure.js';
import { createFulfilment } from './fulfilment.js';
import { createIntake } from './intake.js';
import type { Letters } from './letter.js';
import { createRequestSeal } from './personal.js';
import { createPostLetters } from './post-letters.js';
import { createRecords } from './records.js';
import { createReport } from './report.js';
import { createVerification } from './verification.js';
import { createWatch } from './watch.js';

/** Rights requests from receipt to purge: one workflow for eight kinds, each change with its entry, every deadline watched. */
export function createRights(parts: {
  readonly stores: Stores;
  readonly accept: Accept;
  readonly links: Links;
  readonly letters: Letters;
  /** Without it access requests wait for an installation that has it. */
  readonly packages?: AccessPackages | undefined;
  /** Removes the letters of a request whose record is purged. */
  readonly purgeLetters?: ((request: string) => Promise<void>) | undefined;
  readonly mail: Post;
  readonly languageOf: LanguageOf;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly publicUrl: () => string;
  readonly log: Logger;
  readonly onAlert: (kind: Alert['kind']) => void;
}) {
  const { stores, accept, links, letters, packages, mail, keyring, catalog, policy, clock, publicUrl, log } = parts;
  const { contacts, persons } = stores;
  const store = stores.requests;
  const files = stores.requestFiles;
  const seal = createRequestSeal(keyring);
  const records = createRecords({ store, seal, clock });
  /** The person's own language, as it is known today, else that of the request. */
  const languageFor = (record: RequestRecord) => parts.languageOf(record.contacts, record.language);
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
    undo: createUndo({ contacts, ledger: stores.ledger, persons, clock }),
  });
  const admitMail = createRecipientLimits({
    store: stores.outbox,
    keyring,
    country: catalog.group.defaultCountry,
    clock,
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
    purgeLetters: parts.purgeLetters,
    mail,
    leader: stores.leaders.leaderFor('requests', 60_000),
    catalog,
    policy,
    clock,
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
    attachments: createAttachments({ files, records, seal, clock }),
    report: createReport({ store, policy, clock }),
  };
}

export type Rights = ReturnType<typeof createRights>;
