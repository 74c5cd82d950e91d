import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Environment } from './config/environment.js';
import { normaliseContact } from './core/contact-point.js';
import type { Links } from './preferences/links.js';

const EXAMPLE = 'jane.doe@example.com';

/** A key for development that stays the same across restarts, because its text cannot be had from the store again. */
export async function developmentKey(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'development-key');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (/^hk_\S{20,}$/.test(kept.trim())) return kept.trim();
  const key = `hk_${randomBytes(24).toString('base64url')}`;
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  return key;
}

/** What a first look needs, printed in development: links of an example contact, a key, the mailbox, a question. */
export function tourLines(parts: {
  readonly environment: Environment;
  readonly url: string;
  readonly key: string;
  readonly links: Links;
  readonly brand: string;
}): string[] {
  const { environment, url, key, links, brand } = parts;
  const { oneClickUrl, preferencesUrl } = links.forMail({
    point: normaliseContact({ email: EXAMPLE }, 'US'),
    brand,
    channel: 'email',
    purpose: 'promotion',
    topic: '*',
    campaign: 'tour',
  });
  const question = JSON.stringify({ contact: { email: EXAMPLE }, brand, channel: 'email', purpose: 'promotion' });
  return [
    ...environment.defaulted.map((line) => `  default   ${line}`),
    '',
    `  preference page of ${EXAMPLE}`,
    `            ${preferencesUrl}`,
    '  one-click link of the same (a page when opened, an opt-out when posted to)',
    `            ${oneClickUrl}`,
    `  API key   ${key}`,
    `  API       ${url}/docs`,
    ...(environment.smtpUrl === undefined ? [`  sent mail ${url}/dev/mail`] : []),
    '  a decision',
    `            curl -s ${url}/v1/decisions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${question}'`,
    '  an opt-out, as a mail program sends it',
    `            curl -s -d List-Unsubscribe=One-Click ${oneClickUrl}`,
    '',
  ];
}
