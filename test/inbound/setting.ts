import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { readCatalog } from '../../src/config/catalog.js';
import { readPolicy } from '../../src/config/policy.js';
import { createAliasGroups } from '../../src/core/alias-group.js';
import { createClock } from '../../src/core/clock.js';
import { type ContactPoint, normaliseContact } from '../../src/core/contact-point.js';
import { contactKeyBytes, keyringFromSecret } from '../../src/core/keys.js';
import type { Channel, Purpose } from '../../src/core/scope.js';
import { createInbound } from '../../src/inbound/index.js';
import { loadBounceRules } from '../../src/inbound/mail/rules.js';
import { readTextWords } from '../../src/inbound/sms/text-words.js';
import { machine } from '../../src/machine.js';
import { createAccept } from '../../src/preferences/accept.js';
import { createLanguageOf } from '../../src/preferences/contact-language.js';
import { createDecisions } from '../../src/preferences/decisions.js';
import { createLinks } from '../../src/preferences/links.js';
import type { OutgoingMail } from '../../src/preferences/outgoing-mail.js';
import { createPrivateParts } from '../../src/preferences/private-part.js';
import { createReceipts } from '../../src/preferences/receipts.js';
import { createProjector } from '../../src/projection/project.js';
import { connectStore } from '../../src/store/connect.js';
import { openStores } from '../../src/store/open.js';
import { databaseUri, useDatabase } from '../support/databases.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const catalog = readCatalog(path.join(ROOT, 'config/catalog.yaml'), {});
export const policy = readPolicy(path.join(ROOT, 'config/policy.yaml'));
const TEXT_WORDS = path.join(ROOT, 'config/text-words.yaml');
const BOUNCE_RULES = path.join(ROOT, 'config/bounce-rules.yaml');
export const words = readTextWords(TEXT_WORDS);
export const rules = await loadBounceRules(BOUNCE_RULES);
export const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
export const DOMAIN = catalog.group.inboundDomain;
export const NUMBERS = { '+19205550100': 'jmf', '+19205550101': 'shipping' };

export const emailOf = (email: string): ContactPoint => normaliseContact({ email });
export const phoneOf = (phone: string): ContactPoint => normaliseContact({ phone });

/** An installation's inbound side on a database of its own, with a clock that can be set. */
export async function openInbound() {
  const database = useDatabase();
  const stores = await openStores(await connectStore(databaseUri(database.name), database.name), machine);
  const reviewStore = stores.inboundReview;
  const { contacts, ledger, persons, writerIds } = stores;
  const time = { now: Date.UTC(2026, 2, 3, 18) };
  const clock = createClock(() => time.now);
  const log = pino({ level: 'silent' });
  const privateParts = createPrivateParts(keyring);
  const aliasGroupOf = createAliasGroups(keyring, policy.mailboxes);
  const touched = new Map<string, Buffer>();
  const accept = createAccept({
    contacts,
    persons,
    writerIds,
    keyring,
    privateParts,
    aliasGroupOf,
    clock,
    machine,
    projection: { projectSoon: (key) => touched.set(key.toString('hex'), key) },
  });
  const decisions = createDecisions({ contacts, ledger, catalog, policy, aliasGroupOf, clock, machine });
  const links = createLinks({ keyring, catalog, publicUrl: () => 'https://hush.example' });
  const receipts = createReceipts({ contacts, ledger, destinations: [], privateParts, machine });
  const letters: OutgoingMail[] = [];
  const { review, mailIn, textIn } = await createInbound({
    requireKeys: async () => undefined,
    environment: {
      smtpPort: undefined,
      tlsKeyFile: undefined,
      tlsCertFile: undefined,
      smsAuthTokens: ['a token'],
      smsNumbers: NUMBERS,
    },
    files: { bounceRules: BOUNCE_RULES, textWords: TEXT_WORDS },
    stores,
    accept,
    decisions,
    receipts,
    links,
    post: async (letter) => {
      letters.push(letter);
      return 'queued';
    },
    languageOf: createLanguageOf({ decisions, catalog, clock }),
    keyring,
    catalog,
    policy,
    clock,
    publicUrl: () => 'https://hush.example',
    log,
    onReceived: () => undefined,
  });
  if (!textIn) throw new Error('texts are taken here');
  const projector = createProjector({
    contacts,
    ledger,
    privateParts,
    policy,
    configuration: 'test',
    aliasGroupOf,
    clock,
    destinations: [],
    onPending: () => undefined,
  });

  return {
    ...stores,
    reviewStore,
    time,
    clock,
    log,
    accept,
    decisions,
    links,
    receipts,
    review,
    mailIn,
    textIn,
    letters,

    /** Moves everything pending into the ledger. */
    async project(): Promise<void> {
      await projector.project([...touched.values()]);
      touched.clear();
    },

    async events(point: ContactPoint) {
      const key = contactKeyBytes(keyring, point);
      const contact = await contacts.get(key);
      const entries = await ledger.ofContact(key);
      return [...entries.map(({ event }) => event), ...(contact?.pending ?? [])];
    },

    async decide(point: ContactPoint, channel: Channel = 'email', purpose: Purpose = 'promotion', brand = 'jmf') {
      const asked = { key: contactKeyBytes(keyring, point), point };
      const [answer] = await decisions.decideAll([asked], { brand, channel, purpose, topic: '*', at: time.now });
      if (!answer) throw new Error('no answer');
      return answer;
    },

    /** The headers and envelope sender with which we would have written to somebody. */
    sent(email: string, purpose: Purpose = 'promotion') {
      const about = { point: emailOf(email), brand: 'jmf', channel: 'email', purpose, topic: '*' } as const;
      const mail = links.forMail({ ...about, campaign: 'spring' });
      const mailto = /mailto:([^?>]+)/.exec(mail.headers['List-Unsubscribe'])?.[1] ?? '';
      return { ...mail, mailto, returnPath: mailIn.addresses.returnPath(about) };
    },

    async close(): Promise<void> {
      await stores.close();
      await database.leave();
    },
  };
}

export type Inbound = Awaited<ReturnType<typeof openInbound>>;
