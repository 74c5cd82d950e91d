import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import type { InboundEnvironment } from '../config/environment.js';
import { ConfigError } from '../config/yaml-file.js';
import type { Catalog } from '../core/catalog.js';
import { brandById } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { LanguageOf } from '../preferences/contact-language.js';
import type { Decisions } from '../preferences/decisions.js';
import type { Links } from '../preferences/links.js';
import type { Post } from '../preferences/outgoing-mail.js';
import type { Receipts } from '../preferences/receipts.js';
import type { Stores } from '../store/open.js';
import { createSoftBounceHistory } from '../store/soft-bounces.js';
import { createMailIn } from './mail/mail-in.js';
import { loadBounceRules } from './mail/rules.js';
import { createInboundReview } from './review.js';
import { createTextIn } from './sms/text-in.js';
import { readTextWords } from './sms/text-words.js';
import { type Certificate, type SmtpListener, startSmtpListener } from './smtp-listener.js';
import { createSoftBounces } from './soft-bounces.js';

interface InboundParts {
  readonly environment: InboundEnvironment;
  /** Files of rules and words. */
  readonly files: { readonly bounceRules: string; readonly textWords: string };
  readonly stores: Stores;
  readonly accept: Accept;
  readonly decisions: Decisions;
  readonly receipts: Receipts;
  readonly links: Links;
  readonly post: Post;
  readonly languageOf: LanguageOf;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly publicUrl: () => string;
  /** Throws MissingKeyError while this process lacks a root of the installation: a token that does not open may be genuine. */
  readonly requireKeys: () => Promise<void>;
  readonly log: Logger;
  /** Called with everything understood, by way and kind, for the metrics. */
  readonly onReceived: (way: 'mail' | 'sms', kind: string) => void;
}

/** What comes in besides webhooks: mail by three ways, texts, and the list of what waits for a person. */
export async function createInbound(parts: InboundParts) {
  const { environment, stores, accept, decisions, receipts, links, keyring, catalog, policy, clock, log } = parts;
  const review = createInboundReview({
    store: stores.inboundReview,
    accept,
    keyring,
    clock,
    country: catalog.group.defaultCountry,
  });
  const history = createSoftBounceHistory({ ledger: stores.ledger, contacts: stores.contacts });
  const rules = await loadBounceRules(parts.files.bounceRules);
  const stopWords = readTextWords(parts.files.textWords);
  const mailIn = createMailIn({
    stopWords,
    rules,
    accept,
    receipts,
    review,
    softBounces: createSoftBounces({ history, decisions, accept, policy, keyring, clock }),
    links,
    post: parts.post,
    keyring,
    catalog,
    clock,
    publicUrl: parts.publicUrl,
    requireKeys: parts.requireKeys,
    onRecognised: (kind) => parts.onReceived('mail', kind),
  });

  for (const brand of Object.values(environment.smsNumbers)) {
    if (brandById(catalog, brand)) continue;
    throw new ConfigError(
      `HUSH_SMS_NUMBERS names the brand ${brand}, which config/catalog.yaml lacks. Write one of ${catalog.brands.map(({ id }) => id).join(', ')}.`,
    );
  }
  const textIn =
    environment.smsAuthTokens.length === 0
      ? undefined
      : createTextIn({
          words: stopWords,
          numbers: environment.smsNumbers,
          accept,
          receipts,
          review,
          quota: stores.outbox,
          decisions: parts.decisions,
          languageOf: parts.languageOf,
          catalog,
          keyring,
          clock,
          log,
          onText: (act) => parts.onReceived('sms', act),
        });

  async function certificate(): Promise<Certificate | undefined> {
    const { tlsKeyFile, tlsCertFile } = environment;
    if (tlsKeyFile === undefined || tlsCertFile === undefined) return undefined;
    let pair: Certificate;
    try {
      const [key, cert] = await Promise.all([readFile(tlsKeyFile), readFile(tlsCertFile)]);
      pair = { key, cert };
    } catch {
      throw new ConfigError(
        'INBOUND_SMTP_TLS_KEY or INBOUND_SMTP_TLS_CERT cannot be read. Give both files (PEM) to the user that runs Hush.',
      );
    }
    try {
      createSecureContext(pair);
    } catch {
      throw new ConfigError(
        'INBOUND_SMTP_TLS_KEY and INBOUND_SMTP_TLS_CERT are no private key with its certificate. Name the two PEM files that belong together.',
      );
    }
    return pair;
  }

  let listener: SmtpListener | undefined;
  return {
    mailIn,
    textIn,
    review,
    blamesSender: rules.blamesSender,

    /** Opens the SMTP listener where a port is set. Throws ConfigError when its certificate cannot be read. */
    async listen(): Promise<void> {
      if (environment.smtpPort === undefined) return;
      listener = await startSmtpListener({
        port: environment.smtpPort,
        domain: catalog.group.inboundDomain,
        mailIn,
        tls: await certificate(),
        log,
      });
      log.info({ port: listener.port }, 'takes mail');
    },
    /** Port of the listener; undefined where there is none. */
    port: () => listener?.port,
    stop: async () => listener?.stop(),
  };
}

export type Inbound = Awaited<ReturnType<typeof createInbound>>;
