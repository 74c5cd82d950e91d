import { isIP } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Keyring } from '../core/keys.js';
import { COSIGNATURE, parseVerifier } from '../core/note.js';
import { givenFrom, oneOf, type RawEnvironment, urlFrom } from './environment-values.js';
import { readSecrets, warnWhereReadable } from './secrets.js';
import { ConfigError } from './yaml-file.js';

export type Role = 'all' | 'web' | 'worker';

export interface Environment {
  readonly production: boolean;
  readonly port: number;
  /** Without a trailing slash. Empty until the port is known, when it was left to us. */
  readonly publicUrl: string | undefined;
  readonly mongoUri: string | undefined;
  readonly redisUrl: string | undefined;
  /** Longest (ms) that one answer waits for the database. */
  readonly storeTimeoutMs: number;
  readonly smtpUrl: string | undefined;
  readonly keyring: Keyring;
  /** The variable that the secrets come from, for errors about them. */
  readonly secretsFrom: string;
  readonly apiKey: string | undefined;
  readonly dataDir: string;
  readonly configDir: string;
  readonly role: Role;
  readonly journalDir: string | undefined;
  readonly inbound: InboundEnvironment;
  readonly trustProxy: string | undefined;
  /** Whether a web process keeps an index of what decisions go by. */
  readonly decisionIndex: boolean;
  readonly logLevel: string;
  /** Witnesses of the log: submission prefix and verifier key (C2SP tlog-witness). */
  readonly witnesses: readonly { readonly url: string; readonly vkey: string }[];
  readonly staff: StaffEnvironment;
  /** Prefix of Redis keys and name of the database where the URI has none: lets tests share servers. */
  readonly namespace: string;
  /** Defaults that development got, to be printed. */
  readonly defaulted: readonly string[];
  /** What works and should not stay as it is, one sentence each: said once at the start. */
  readonly warnings: readonly string[];
}

/** What takes mail and texts. */
export interface InboundEnvironment {
  /** Port of the SMTP listener; undefined for none. */
  readonly smtpPort: number | undefined;
  /** Files (PEM) for STARTTLS; without both it is not offered. */
  readonly tlsKeyFile: string | undefined;
  readonly tlsCertFile: string | undefined;
  /** Twilio's auth tokens; none where texts are not taken. */
  readonly smsAuthTokens: readonly string[];
  /** Our numbers with the brand that speaks from each. */
  readonly smsNumbers: Readonly<Record<string, string>>;
}

/** As in `docs/roles.md`. */
const STAFF_ROLES = ['agent', 'supervisor', 'privacy_officer', 'admin', 'auditor'] as const;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** How staff sign in. */
export interface StaffEnvironment {
  /** Undefined in development: a provider of our own with one user a role; in production: no console. */
  readonly oidc:
    | { readonly issuer: string; readonly clientId: string; readonly clientSecret: string | undefined }
    | undefined;
  /** The claim of the ID token that holds the roles. */
  readonly roleClaim: string;
  /** Values of that claim with the role each stands for; undefined when they are our own names. */
  readonly roles: ReadonlyMap<string, string> | undefined;
  /** The system whose numbers callers give: `customer` stands for contacts `customer:…`. */
  readonly customerSystem: string;
}

function numberFrom(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new ConfigError(`${name}=${text} is not a port. Write a number from 0 to 65535.`);
  }
  return value;
}

/** Links answer within 2 s as long as this stays below; longer is for storage that is slower than that. */
const STORE_TIMEOUT_MS = 1700;

function storeTimeoutFrom(text: string | undefined): number {
  const value = text === undefined ? STORE_TIMEOUT_MS : Number(text);
  if (!Number.isInteger(value) || value < 100 || value > 600_000) {
    throw new ConfigError(
      `HUSH_STORE_TIMEOUT_MS=${text} is not a time. Write milliseconds from 100 to 600000, such as ${STORE_TIMEOUT_MS}.`,
    );
  }
  return value;
}

/** `a=b, c=d`. */
function pairsFrom(text: string, name: string, example: string): [string, string][] {
  return text.split(',').map((pair) => {
    const [value = '', meaning = '', ...rest] = pair.split('=').map((part) => part.trim());
    if (value === '' || meaning === '' || rest.length > 0) {
      throw new ConfigError(`${name} is not readable. Write pairs such as ${example}.`);
    }
    return [value, meaning];
  });
}

function inboundFrom(env: NodeJS.ProcessEnv, raw: RawEnvironment, warnings: string[]): InboundEnvironment {
  const tokens = raw('HUSH_SMS_AUTH_TOKEN');
  const numbers = raw('HUSH_SMS_NUMBERS');
  if ((tokens === undefined) !== (numbers === undefined)) {
    throw new ConfigError(
      'Set both HUSH_SMS_AUTH_TOKEN and HUSH_SMS_NUMBERS (such as +19205550100=jmf), or neither: texts need both.',
    );
  }
  if ((raw('INBOUND_SMTP_TLS_KEY') === undefined) !== (raw('INBOUND_SMTP_TLS_CERT') === undefined)) {
    throw new ConfigError('Set both INBOUND_SMTP_TLS_KEY and INBOUND_SMTP_TLS_CERT, or neither: STARTTLS needs both.');
  }
  const tlsKeyFile = raw('INBOUND_SMTP_TLS_KEY');
  if (tlsKeyFile !== undefined) warnWhereReadable('INBOUND_SMTP_TLS_KEY', tlsKeyFile, warnings);
  const pairs = numbers === undefined ? [] : pairsFrom(numbers, 'HUSH_SMS_NUMBERS', '+19205550100=jmf');
  const [wrong] = pairs.find(([number]) => !/^(\+\d{7,15}|\d{3,8})$/.test(number)) ?? [];
  if (wrong !== undefined) {
    throw new ConfigError(
      `HUSH_SMS_NUMBERS: ${JSON.stringify(wrong)} is not a number. Write pairs such as +19205550100=jmf.`,
    );
  }
  return {
    smtpPort: numberFrom(env, 'INBOUND_SMTP_PORT'),
    tlsKeyFile,
    tlsCertFile: raw('INBOUND_SMTP_TLS_CERT'),
    smsAuthTokens: (tokens ?? '')
      .split(',')
      .map((token) => token.trim())
      .filter((token) => token !== ''),
    smsNumbers: Object.fromEntries(pairs),
  };
}

function staffFrom(raw: RawEnvironment, production: boolean): StaffEnvironment {
  const issuer = urlFrom(raw, 'HUSH_OIDC_ISSUER', production ? ['https:'] : ['https:', 'http:'], {
    what: 'an https URL',
    remedy: 'Write the issuer as your identity provider gives it, such as https://login.example.com.',
  });
  const clientId = raw('HUSH_OIDC_CLIENT_ID');
  if (issuer !== undefined && clientId === undefined) {
    throw new ConfigError(
      'Set HUSH_OIDC_CLIENT_ID: the client that your identity provider knows the staff console as.',
    );
  }
  if (issuer === undefined && (clientId !== undefined || raw('HUSH_OIDC_CLIENT_SECRET') !== undefined)) {
    throw new ConfigError('Set HUSH_OIDC_ISSUER: the identity provider that HUSH_OIDC_CLIENT_ID belongs to.');
  }
  const mapping = raw('HUSH_OIDC_ROLES');
  const pairs =
    mapping === undefined ? undefined : pairsFrom(mapping, 'HUSH_OIDC_ROLES', 'hush-agents=agent,hush-audit=auditor');
  for (const [, role] of pairs ?? []) oneOf('HUSH_OIDC_ROLES', STAFF_ROLES, role);
  const customerSystem = raw('HUSH_CUSTOMER_SYSTEM') ?? 'customer';
  if (!/^[A-Za-z0-9_.-]{1,40}$/.test(customerSystem)) {
    throw new ConfigError(
      'HUSH_CUSTOMER_SYSTEM is not the name of a system. Write letters, digits and dashes, such as customer.',
    );
  }
  return {
    oidc:
      issuer === undefined || clientId === undefined
        ? undefined
        : { issuer, clientId, clientSecret: raw('HUSH_OIDC_CLIENT_SECRET') },
    roleClaim: raw('HUSH_OIDC_ROLE_CLAIM') ?? 'roles',
    roles: pairs && new Map(pairs),
    customerSystem,
  };
}

/** `URL VKEY` pairs, separated by commas. */
function witnessesFrom(text: string | undefined): Environment['witnesses'] {
  return (text ?? '')
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [url = '', vkey = ''] = pair.split(/\s+/);
      if (!/^https?:\/\/[^\s]+$/.test(url) || parseVerifier(vkey)?.type !== COSIGNATURE) {
        throw new ConfigError(
          `HUSH_WITNESSES: ${JSON.stringify(pair.slice(0, 80))} is no witness. Write its submission prefix and its verifier key, such as https://witness.example witness.example+8a3f…+BPX….`,
        );
      }
      return { url, vkey };
    });
}

/** A URL of our own that links point to. People click it in mail, and RFC 8058 §3.1 asks for https. */
function publicUrlFrom(raw: RawEnvironment, production: boolean, warnings: string[]): string | undefined {
  const text = raw('PUBLIC_URL')?.replace(/\/$/, '');
  if (text === undefined) return undefined;
  if (!/^https?:\/\/[^/?#@\s]+$/.test(text) || !URL.canParse(text)) {
    throw new ConfigError(`PUBLIC_URL=${text} is not an origin. Write it as https://host, without a path.`);
  }
  const { protocol, hostname } = new URL(text);
  if (!production || protocol === 'https:') return text;
  if (!/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) {
    throw new ConfigError(
      `PUBLIC_URL=${text} is not https, and mail programs follow no other unsubscribe link. Write https://${hostname}.`,
    );
  }
  warnings.push(`PUBLIC_URL=${text} is not https: links in mail work on this machine only. Write https://host.`);
  return text;
}

function apiKeyFrom(raw: RawEnvironment, production: boolean, warnings: string[]): string | undefined {
  const key = raw('HUSH_API_KEY');
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ConfigError('HUSH_API_KEY holds blanks or letters that no header can carry. Write ASCII without blanks.');
  }
  if (!production) return key;
  if (key.length < 24) {
    throw new ConfigError(
      'HUSH_API_KEY is too short for a key with every scope. Unset it and make keys with: npx hush keys create',
    );
  }
  warnings.push(
    'HUSH_API_KEY makes a key with every scope, for development and tests. Unset it and make keys with: npx hush keys create',
  );
  return key;
}

/** How many proxies stand in front, or their addresses and networks, as Express' `trust proxy` takes them. */
function trustProxyFrom(raw: RawEnvironment): string | undefined {
  const text = raw('HUSH_TRUST_PROXY');
  const isNetwork = (item: string): boolean => {
    const [address = '', prefix, ...rest] = item.split('/');
    const bits = isIP(address) === 6 ? 128 : 32;
    return isIP(address) > 0 && rest.length === 0 && (prefix === undefined || Number(prefix) <= bits);
  };
  const networks = (text ?? '').split(',').map((item) => item.trim());
  const names = ['loopback', 'linklocal', 'uniquelocal'];
  if (text === undefined || /^(false|\d{1,2})$/.test(text)) return text;
  if (networks.every((item) => names.includes(item) || isNetwork(item))) return text;
  throw new ConfigError(
    `HUSH_TRUST_PROXY=${text} names no proxy. Write how many stand in front, such as 1, or their networks, such as 10.0.0.0/8.`,
  );
}

/** A name that may stand in names of databases and of Redis keys. */
function namespaceFrom(raw: RawEnvironment): string {
  const name = raw('HUSH_NAMESPACE') ?? 'hush';
  if (/^[A-Za-z0-9_-]{1,60}$/.test(name)) return name;
  throw new ConfigError('HUSH_NAMESPACE is no name of a database. Write letters, digits, - and _, 60 at most.');
}

/** `production`, `development` or `test`: a misspelled `production` would run real people on development's defaults. */
function isProduction(raw: RawEnvironment): boolean {
  return oneOf('NODE_ENV', ['production', 'development', 'test'], raw('NODE_ENV') ?? 'development') === 'production';
}

/** Reads the environment. Throws ConfigError with one line that says what to set. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const raw = givenFrom(env);
  const production = isProduction(raw);
  const defaulted: string[] = [];
  const warnings: string[] = [];
  const needed = (name: string, why: string) => {
    const value = raw(name);
    if (value === undefined && production) throw new ConfigError(`Set ${name}: ${why}.`);
    return value;
  };
  const secrets = readSecrets(raw, production, { defaulted, warnings });
  needed('MONGODB_URI', 'a replica set such as mongodb://host/hush?replicaSet=rs0');
  needed('REDIS_URL', 'such as redis://host:6379');
  needed('PUBLIC_URL', 'the address in links, such as https://preferences.example.com');
  needed('SMTP_URL', 'such as smtps://user:password@host:465');
  const mongoUri = raw('MONGODB_URI');
  if (mongoUri !== undefined && !/^mongodb(\+srv)?:\/\/[^/\s]+/.test(mongoUri)) {
    throw new ConfigError(
      'MONGODB_URI is not the URI of a MongoDB. Write it as mongodb://user:password@host1,host2,host3/hush?replicaSet=rs0.',
    );
  }
  const redisUrl = urlFrom(raw, 'REDIS_URL', ['redis:', 'rediss:'], {
    what: 'the URL of a Redis',
    remedy: 'Write it as redis://host:6379, or rediss://user:password@host:6379 with TLS.',
  });
  const smtpUrl = urlFrom(raw, 'SMTP_URL', ['smtp:', 'smtps:'], {
    what: 'a mail server',
    remedy: 'Write smtps://user:password@host:465 or smtp://host:587.',
  });
  if (!mongoUri) defaulted.push('MONGODB_URI: an embedded MongoDB');
  if (!redisUrl) defaulted.push('REDIS_URL: an embedded Redis');
  if (!smtpUrl) defaulted.push('SMTP_URL: mail is kept in a mailbox page, not sent');
  return {
    production,
    port: numberFrom(env, 'PORT') ?? 3000,
    publicUrl: publicUrlFrom(raw, production, warnings),
    mongoUri,
    redisUrl,
    storeTimeoutMs: storeTimeoutFrom(raw('HUSH_STORE_TIMEOUT_MS')),
    smtpUrl,
    ...secrets,
    apiKey: apiKeyFrom(raw, production, warnings),
    dataDir: path.resolve(raw('HUSH_DATA_DIR') ?? (production ? path.join(homedir(), '.hush') : 'data')),
    configDir: path.resolve(raw('HUSH_CONFIG_DIR') ?? 'config'),
    role: oneOf('HUSH_ROLE', ['all', 'web', 'worker'], raw('HUSH_ROLE') ?? 'all'),
    journalDir: raw('HUSH_JOURNAL_DIR'),
    inbound: inboundFrom(env, raw, production ? warnings : []),
    trustProxy: trustProxyFrom(raw),
    decisionIndex: oneOf('HUSH_DECISION_INDEX', ['on', 'off'], raw('HUSH_DECISION_INDEX') ?? 'on') === 'on',
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, raw('LOG_LEVEL') ?? 'info'),
    witnesses: witnessesFrom(raw('HUSH_WITNESSES')),
    staff: staffFrom(raw, production),
    namespace: namespaceFrom(raw),
    defaulted,
    warnings,
  };
}
