import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { deriveKey, fingerprintOf, type Keyring, keyringFromSecret } from '../core/keys.js';
import { machine } from '../machine.js';
import type { RawEnvironment } from './environment-values.js';
import { ConfigError } from './yaml-file.js';

/** Shorter secrets can be guessed. Those of at least MIN_LENGTH that are in use already cannot be made longer. */
const GOOD_LENGTH = 32;
const MIN_LENGTH = 16;

const keyFile = z.strictObject({
  lookup: z.string().min(MIN_LENGTH),
  current: z.number().int().min(1).max(255),
  // A key id is one octet of every token: 1 to 255, written in one way.
  roots: z.record(z.string().regex(/^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/), z.string().min(MIN_LENGTH)),
});

const DEVELOPMENT_SECRET = 'development only: never use this secret for real people';

/** Undefined for what is no JSON: the parser's own message would quote the secrets. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Says so when everybody on the machine may read a file of secrets. Orchestrators mount such files, so it is no error. */
export function warnWhereReadable(name: string, file: string, warnings: string[]): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o004) !== 0) {
    warnings.push(`${name}=${file} can be read by everybody on this machine. Run: chmod o-rwx ${file}`);
  }
}

function keyringFromFile(file: string, warnings: string[]): Keyring {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(`HUSH_SECRETS_FILE=${file} cannot be read. Give the file to the user that runs Hush.`);
  }
  const parsed = keyFile.safeParse(jsonOf(text));
  if (!parsed.success || !(String(parsed.data.current) in parsed.data.roots)) {
    throw new ConfigError(
      `HUSH_SECRETS_FILE must hold {"lookup": "…", "current": 1, "roots": {"1": "…"}} with random texts of at least ${MIN_LENGTH} characters.`,
    );
  }
  const { lookup, current, roots } = parsed.data;
  const short = [['lookup', lookup] as const, ...Object.entries(roots).map(([kid, root]) => [`root ${kid}`, root])]
    .filter(([, secret]) => (secret ?? '').length < GOOD_LENGTH)
    .map(([name]) => name);
  if (short.length > 0) {
    warnings.push(
      `HUSH_SECRETS_FILE: ${short.join(', ')} has fewer than ${GOOD_LENGTH} characters and may be guessed. Use \`openssl rand -base64 48\` for each new secret.`,
    );
  }
  warnWhereReadable('HUSH_SECRETS_FILE', file, warnings);
  return {
    lookup: deriveKey(Buffer.from(lookup), 'lookup'),
    current,
    roots: new Map(Object.entries(roots).map(([kid, secret]) => [Number(kid), deriveKey(Buffer.from(secret), 'root')])),
    randomBytes: machine.randomBytes,
  };
}

/** The secrets from HUSH_SECRETS_FILE, or HUSH_SECRET, or development's own. Throws ConfigError. */
export function readSecrets(
  raw: RawEnvironment,
  production: boolean,
  says: { readonly defaulted: string[]; readonly warnings: string[] },
): { readonly keyring: Keyring; readonly secretsFrom: string } {
  const file = raw('HUSH_SECRETS_FILE');
  const secret = raw('HUSH_SECRET');
  if (file !== undefined) {
    if (secret !== undefined) says.warnings.push('HUSH_SECRET is not used beside HUSH_SECRETS_FILE. Unset it.');
    return { keyring: keyringFromFile(file, production ? says.warnings : []), secretsFrom: 'HUSH_SECRETS_FILE' };
  }
  if (secret === undefined && production) {
    throw new ConfigError(
      'Set HUSH_SECRETS_FILE: a file with the root secrets (or HUSH_SECRET with one long random text).',
    );
  }
  if (secret === undefined) says.defaulted.push('HUSH_SECRET: a fixed secret for development');
  if (production && (secret ?? '').length < GOOD_LENGTH) {
    throw new ConfigError(
      `HUSH_SECRET is too short. Use at least ${GOOD_LENGTH} random characters, for example from \`openssl rand -base64 48\`.`,
    );
  }
  if (production && secret === DEVELOPMENT_SECRET) {
    throw new ConfigError(
      'HUSH_SECRET is the one of development, which everybody knows. Write one of your own, for example from `openssl rand -base64 48`.',
    );
  }
  return { keyring: keyringFromSecret(secret ?? DEVELOPMENT_SECRET, machine.randomBytes), secretsFrom: 'HUSH_SECRET' };
}

/** Keyed fingerprints of every secret of a ring, hex. */
export interface Fingerprints {
  readonly lookup: string;
  /** By key id. */
  readonly roots: Readonly<Record<string, string>>;
}

export function fingerprintsOf(keyring: Keyring): Fingerprints {
  return {
    lookup: fingerprintOf(keyring.lookup),
    roots: Object.fromEntries([...keyring.roots].map(([kid, root]) => [String(kid), fingerprintOf(root)])),
  };
}

/**
 * Compares our secrets with those that the records were made with. A key id that only one of the two has is a rotation
 * under way and no mismatch (see `missingKeyIds`).
 *
 * @param name the variable that the secrets come from
 * @throws ConfigError, one line, when a secret is another one: with it nobody's opt-out would be found
 */
export function refuseOtherSecrets(name: string, ours: Fingerprints, recorded: Fingerprints): void {
  if (ours.lookup !== recorded.lookup) {
    throw new ConfigError(
      `${name}: the lookup secret is not the one that this database was made with, so no opt-out in it would be found. Put the former secret back, or set MONGODB_URI to the database that belongs to this one.`,
    );
  }
  const changed = Object.entries(ours.roots).find(
    ([kid, fingerprint]) => (recorded.roots[kid] ?? fingerprint) !== fingerprint,
  );
  if (changed) {
    throw new ConfigError(
      `${name}: root ${changed[0]} is not the one that this database was made with, so nothing sealed under it could be opened. Put the former root ${changed[0]} back, and give a new root a new key id.`,
    );
  }
}

/** Key ids that records may be sealed under and that our ring lacks, in order. */
export function missingKeyIds(ours: Fingerprints, recorded: Fingerprints): number[] {
  return Object.keys(recorded.roots)
    .filter((kid) => !(kid in ours.roots))
    .map(Number)
    .sort((a, b) => a - b);
}
