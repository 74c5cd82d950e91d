import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { deriveKey, type Keyring, keyringFromSecret } from '../core/keys.js';
import { COSIGNATURE, parseVerifier } from '../core/note.js';
import { ConfigError } from './yaml-file.js';

export type Role = 'all' | 'web' | 'worker';

export interface Environment {
  readonly production: boolean;
  readonly port: number;
  /** Without a trailing slash. Empty until the port is known, when it was left to us. */
  readonly publicUrl: string | undefined;
  readonly mongoUri: string | undefined;
  readonly redisUrl: string | undefined;
  readonly smtpUrl: string | undefined;
  readonly keyring: Keyring;
  readonly apiKey: string | undefined;
  readonly dataDir: string;
  readonly configDir: string;
  readonly role: Role;
  readonly journalDir: string | undefined;
  readonly inbound: InboundEnvironment;
  readonly trustProxy: string | undefined;
  readonly logLevel: string;
  /** Witnesses of the log: submission prefix and verifier key (C2SP tlog-witness). */
  readonly witnesses: readonly { readonly url: string; readonly vkey: string }[];
  readonly staff: StaffEnvironment;
  /** Prefix of Redis keys and name of the database where the URI has none: lets tests share servers. */
  readonly namespace: string;
  /** Defaults that development got, to be printed. */
  readonly defaulted: readonly string[];
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

const keyFile = z.strictObject({
  lookup: z.string().min(16),
  current: z.number().int().min(1).max(255),
  // A key id is one octet of every token: 1 to 255, written in one way.
  roots: z.record(z.string().regex(/^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/), z.string().min(16)),
});

/** Undefined for what is no JSON: the parser's own message would quote the secrets. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function keyringFromFile(file: string): Keyring {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(`HUSH_SECRETS_FILE=${file} cannot be read. Give the file to the user that runs Hush.`);
  }
  const parsed = keyFile.safeParse(jsonOf(text));
  if (!parsed.success || !(String(parsed.data.current) in parsed.data.roots)) {
    throw new ConfigError(
      `HUSH_SECRETS_FILE must hold {"lookup": "…", "current": 1, "roots": {"1": "…"}} with random texts of at least 16 characters.`,
    );
  }
  const { lookup, current, roots } = parsed.data;
  return {
    lookup: deriveKey(Buffer.from(lookup), 'lookup'),
    current,
    roots: new Map(Object.entries(roots).map(([kid, secret]) => [Number(kid), deriveKey(Buffer.from(secret), 'root')])),
  };
}

const DEVELOPMENT_SECRET = 'development only: never use this secret for real people';

function numberFrom(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new ConfigError(`${name}=${text} is not a port. Write a number from 0 to 65535.`);
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

function inboundFrom(env: NodeJS.ProcessEnv, given: (name: string) => string | undefined): InboundEnvironment {
  const tokens = given('HUSH_SMS_AUTH_TOKEN');
  const numbers = given('HUSH_SMS_NUMBERS');
  if ((tokens === undefined) !== (numbers === undefined)) {
    throw new ConfigError(
      'Set both HUSH_SMS_AUTH_TOKEN and HUSH_SMS_NUMBERS (such as +19205550100=jmf), or neither: texts need both.',
    );
  }
  if ((given('INBOUND_SMTP_TLS_KEY') === undefined) !== (given('INBOUND_SMTP_TLS_CERT') === undefined)) {
    throw new ConfigError('Set both INBOUND_SMTP_TLS_KEY and INBOUND_SMTP_TLS_CERT, or neither: STARTTLS needs both.');
  }
  return {
    smtpPort: numberFrom(env, 'INBOUND_SMTP_PORT'),
    tlsKeyFile: given('INBOUND_SMTP_TLS_KEY'),
    tlsCertFile: given('INBOUND_SMTP_TLS_CERT'),
    smsAuthTokens: (tokens ?? '')
      .split(',')
      .map((token) => token.trim())
      .filter((token) => token !== ''),
    smsNumbers:
      numbers === undefined ? {} : Object.fromEntries(pairsFrom(numbers, 'HUSH_SMS_NUMBERS', '+19205550100=jmf')),
  };
}

function staffFrom(given: (name: string) => string | undefined, production: boolean): StaffEnvironment {
  const issuer = given('HUSH_OIDC_ISSUER');
  const clientId = given('HUSH_OIDC_CLIENT_ID');
  if (issuer !== undefined && !/^https:\/\/\S+$/.test(issuer) && !(/^http:\/\/\S+$/.test(issuer) && !production)) {
    throw new ConfigError(
      `HUSH_OIDC_ISSUER=${issuer} is not an https URL. Write the issuer as your identity provider gives it.`,
    );
  }
  if (issuer !== undefined && clientId === undefined) {
    throw new ConfigError(
      'Set HUSH_OIDC_CLIENT_ID: the client that your identity provider knows the staff console as.',
    );
  }
  const mapping = given('HUSH_OIDC_ROLES');
  const pairs =
    mapping === undefined ? undefined : pairsFrom(mapping, 'HUSH_OIDC_ROLES', 'hush-agents=agent,hush-audit=auditor');
  return {
    oidc:
      issuer === undefined || clientId === undefined
        ? undefined
        : { issuer, clientId, clientSecret: given('HUSH_OIDC_CLIENT_SECRET') },
    roleClaim: given('HUSH_OIDC_ROLE_CLAIM') ?? 'roles',
    roles: pairs && new Map(pairs),
    customerSystem: given('HUSH_CUSTOMER_SYSTEM') ?? 'customer',
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

/** Reads the environment. Throws ConfigError with one line that says what to set. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const production = env.NODE_ENV === 'production';
  const defaulted: string[] = [];
  const given = (name: string) => (env[name] === undefined || env[name] === '' ? undefined : env[name]);
  const needed = (name: string, why: string) => {
    const value = given(name);
    if (value === undefined && production) throw new ConfigError(`Set ${name}: ${why}.`);
    return value;
  };
  const secretsFile = given('HUSH_SECRETS_FILE');
  let secret = given('HUSH_SECRET');
  if (!secretsFile && !secret) {
    needed('HUSH_SECRETS_FILE', 'a file with the root secrets (or HUSH_SECRET with one long random text)');
    secret = DEVELOPMENT_SECRET;
    defaulted.push('HUSH_SECRET: a fixed secret for development');
  }
  if (secret !== undefined && production && secret.length < 32) {
    throw new ConfigError(
      'HUSH_SECRET is too short. Use at least 32 random characters, for example from `openssl rand -base64 48`.',
    );
  }
  const mongoUri = needed('MONGODB_URI', 'a replica set such as mongodb://host/hush?replicaSet=rs0');
  const redisUrl = needed('REDIS_URL', 'such as redis://host:6379');
  const publicUrl = needed('PUBLIC_URL', 'the address in links, such as https://preferences.example.com');
  const smtpUrl = needed('SMTP_URL', 'such as smtps://user:password@host:465');
  if (!mongoUri) defaulted.push('MONGODB_URI: an embedded MongoDB');
  if (!redisUrl) defaulted.push('REDIS_URL: an embedded Redis');
  if (!smtpUrl) defaulted.push('SMTP_URL: mail is kept in a mailbox page, not sent');
  if (publicUrl !== undefined && !/^https?:\/\/[^/]+$/.test(publicUrl.replace(/\/$/, ''))) {
    throw new ConfigError(`PUBLIC_URL=${publicUrl} is not an origin. Write it as https://host, without a path.`);
  }
  const role = given('HUSH_ROLE') ?? 'all';
  if (role !== 'all' && role !== 'web' && role !== 'worker') {
    throw new ConfigError(`HUSH_ROLE=${role} is unknown. Write all, web or worker.`);
  }
  return {
    production,
    port: numberFrom(env, 'PORT') ?? 3000,
    publicUrl: publicUrl?.replace(/\/$/, ''),
    mongoUri,
    redisUrl,
    smtpUrl,
    keyring: secretsFile ? keyringFromFile(secretsFile) : keyringFromSecret(secret ?? ''),
    apiKey: given('HUSH_API_KEY'),
    dataDir: path.resolve(given('HUSH_DATA_DIR') ?? (production ? path.join(homedir(), '.hush') : 'data')),
    configDir: path.resolve(given('HUSH_CONFIG_DIR') ?? 'config'),
    role,
    journalDir: given('HUSH_JOURNAL_DIR'),
    inbound: inboundFrom(env, given),
    trustProxy: given('HUSH_TRUST_PROXY'),
    logLevel: given('LOG_LEVEL') ?? 'info',
    witnesses: witnessesFrom(given('HUSH_WITNESSES')),
    staff: staffFrom(given, production),
    namespace: given('HUSH_NAMESPACE') ?? 'hush',
    defaulted,
  };
}
