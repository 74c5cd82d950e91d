import type { Foundation } from '../foundation.js';
import { createLanguageOf, inOwnLanguage } from '../preferences/contact-language.js';
import type { Preferences } from '../preferences/index.js';
import type { QueuedMail } from '../preferences/outgoing-mail.js';
import type { Queues } from '../queues.js';
import type { Stores } from '../store/open.js';
import { createComposer } from './compose.js';
import { createOutbox } from './outbox.js';
import { createFormMail, createRecipientLimits } from './recipient-limits.js';
import type { MailTransport } from './transport.js';

/** Mail that goes out: written, kept in the durable outbox, and sent by the transport. */
export async function createMail(
  base: Pick<Foundation, 'folders' | 'catalog' | 'country' | 'keyring' | 'clock' | 'machine' | 'log'> & {
    readonly stores: Pick<Stores, 'outbox'>;
    readonly queues: Pick<Queues, 'add'>;
  },
  { decisions, transport }: Pick<Preferences, 'decisions'> & { readonly transport: MailTransport },
) {
  const { folders, stores, catalog, country, keyring, clock, machine, log, queues } = base;
  const composer = await createComposer({
    catalog,
    machine,
    templatesDir: folders.templates,
    localesDir: folders.locales,
  });
  const outbox = createOutbox({
    store: stores.outbox,
    composer,
    transport,
    keyring,
    clock,
    machine,
    log,
    onQueued: () => queues.add('mail'),
  });
  const languageOf = createLanguageOf({ decisions, catalog, clock });
  const limits = createRecipientLimits({ store: stores.outbox, keyring, country, clock, machine });
  return {
    composer,
    transport,
    outbox,
    languageOf,
    /** Hands a mail to the outbox, in the language of whom it goes to. */
    post: inOwnLanguage({ languageOf, keyring, country }, createFormMail<QueuedMail>(limits, outbox.enqueue)),
  };
}

export type Mail = Awaited<ReturnType<typeof createMail>>;
