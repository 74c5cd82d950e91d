import type { Logger } from 'pino';
import { encodeBase32 } from '../../core/base32.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Keyring } from '../../core/keys.js';
import type { Machine } from '../../core/machine.js';
import type { Composer } from '../../mail/compose.js';
import type { OutgoingMail } from '../../mail/outbox.js';
import type { AccessStore, StoredPackage } from '../../store/access-packages.js';
import type { OutboxStore } from '../../store/outbox.js';
import { chunked } from '../requests/chunks.js';
import {
  ATTEMPTS,
  keyOfPassphrase,
  newPassphrase,
  newToken,
  openChunk,
  opensCheck,
  sealCheck,
  sealChunk,
  tokenHash,
} from './download.js';
import { FILES, type FileName } from './files.js';
import { encryptPackage, MAX_BYTES, readPublicKey } from './mail.js';
import type { Packages } from './packages.js';
import { zipped } from './zip.js';

/** Longest (ms) that one fetch keeps others out; a broken one gives way at once. */
const FETCH_MS = 10 * 60_000;

/** A link as its page shows it. */
export interface OfferedLink {
  readonly until: number;
  readonly language: string;
  readonly brand: string;
}

/** What came of a passphrase. */
export type Fetched =
  | { readonly outcome: 'gone' | 'busy' }
  | { readonly outcome: 'wrong'; readonly left: number }
  | {
      readonly outcome: 'open';
      readonly size: number;
      readonly bytes: AsyncIterable<Buffer>;
      /** Says whether every byte went out: then the link is used up and all of it destroyed. */
      readonly done: (whole: boolean) => Promise<void>;
    };

interface AccessDeliveryParts {
  readonly packages: Packages;
  readonly store: AccessStore;
  readonly outbox: Pick<OutboxStore, 'outcome'>;
  readonly composer: Composer;
  readonly post: (mail: OutgoingMail) => Promise<unknown>;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Logger;
  readonly publicUrl: () => string;
}

async function readyPackage(
  parts: AccessDeliveryParts,
  id: string,
  way: StoredPackage['way'],
): Promise<StoredPackage & { until: number }> {
  const stored = await parts.store.get(id);
  if (!stored || stored.way !== way) throw new HushError('not_found', 'there is no such package');
  if (!stored.files || !stored.key || stored.until === undefined || stored.openedAt !== undefined)
    throw new HushError('conflict', 'there is nothing to hand over', {
      remedy: stored.state === 'gathering' ? 'wait until it is ready' : 'it was handed over, or its time is over',
    });
  return { ...stored, until: stored.until };
}

async function emailOf(parts: AccessDeliveryParts, stored: StoredPackage): Promise<string | undefined> {
  return (await parts.packages.addressesOf(stored)).find(({ type }) => type === 'email')?.address;
}

async function bytesOf(parts: AccessDeliveryParts, stored: StoredPackage, name: FileName): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of parts.packages.file(stored, name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Encrypts the package with a passphrase that is shown once and stored nowhere, and mails the link. An earlier link ends.
 * Without an email address the link comes back, to be given by other means.
 */
async function offer(
  parts: AccessDeliveryParts,
  id: string,
  by: string,
): Promise<{ passphrase: string; link: string; mailed: boolean; until: number }> {
  const { packages, clock, machine, store, keyring, post } = parts;
  const stored = await readyPackage(parts, id, 'download');
  const download = encodeBase32(machine.randomBytes(5)).toLowerCase();
  const passphrase = newPassphrase(machine);
  const salt = machine.randomBytes(16);
  const key = await keyOfPassphrase(passphrase, salt);
  const entries = FILES.map((name) => ({ name: `access.${name}`, bytes: packages.file(stored, name) }));
  let chunks = 0;
  let size = 0;
  for await (const bytes of chunked(zipped(entries, clock.now()))) {
    await store.keepPart(
      id,
      `download/${download}/${chunks}`,
      sealChunk(machine, key, download, chunks, bytes),
      new Date(stored.until),
    );
    chunks++;
    size += bytes.length;
  }
  const token = newToken(machine);
  const link = `${parts.publicUrl()}/access/${token}`;
  const now = clock.now();
  const offered = await store.offer(
    id,
    {
      id: download,
      token: tokenHash(keyring.lookup, token),
      salt,
      check: sealCheck(machine, key, download),
      size,
      chunks,
      attempts: ATTEMPTS,
      at: now,
      until: stored.until,
    },
    by,
    new Date(now),
  );
  if (!offered) throw new HushError('conflict', 'somebody else has just handed it over');
  const email = await emailOf(parts, stored);
  if (email !== undefined) {
    const until = new Intl.DateTimeFormat(stored.language, { dateStyle: 'long', timeZone: 'UTC' }).format(stored.until);
    await post({
      id: `access-link:${download}`,
      template: 'access-link',
      language: stored.language,
      brand: stored.brand,
      to: email,
      values: { link: `${link}?lang=${stored.language}`, until },
      until: stored.until,
    });
  }
  return { passphrase, link, mailed: email !== undefined, until: stored.until };
}

/** Looks at a link without changing anything; undefined when it leads to nothing any more. */
async function look(parts: AccessDeliveryParts, token: string): Promise<OfferedLink | undefined> {
  const { store, keyring, clock } = parts;
  const stored = await store.byToken(tokenHash(keyring.lookup, token));
  const { download } = stored ?? {};
  if (!stored || !download || stored.openedAt !== undefined || download.attempts <= 0) return undefined;
  if (download.until <= clock.now()) return undefined;
  return { until: download.until, language: stored.language, brand: stored.brand };
}

async function fetch(parts: AccessDeliveryParts, token: string, passphrase: string): Promise<Fetched> {
  const { keyring, clock, store, log } = parts;
  const hash = tokenHash(keyring.lookup, token);
  const now = clock.now();
  // The try is taken before it is looked at: a hundred at once are five all the same.
  const stored = await store.tryPassphrase(hash, now);
  const download = stored?.download;
  if (!stored || !download) return { outcome: 'gone' };
  const key = await keyOfPassphrase(passphrase, download.salt);
  if (!opensCheck(key, download.id, download.check)) {
    if (download.attempts === 0) log.warn({ package: stored.id }, 'an access link was locked after wrong passphrases');
    return download.attempts === 0 ? { outcome: 'gone' } : { outcome: 'wrong', left: download.attempts };
  }
  if (!(await store.beginFetch(hash, now, now + FETCH_MS))) {
    await store.giveBack(hash);
    return { outcome: 'busy' };
  }
  async function* bytes({ id, chunks }: NonNullable<typeof download>): AsyncGenerator<Buffer> {
    for (let at = 0; at < chunks; at++) {
      const sealed = await store.part(stored?.id ?? '', `download/${id}/${at}`);
      const plain = sealed && openChunk(key, id, at, sealed);
      if (!plain) throw new Error(`chunk ${at} of an access download does not open`);
      yield plain;
    }
  }
  return {
    outcome: 'open',
    size: download.size,
    bytes: bytes(download),
    async done(whole) {
      if (!whole) return store.endFetch(hash);
      await store.opened(stored.id, new Date(clock.now()));
      await store.purge(stored.id);
      log.info({ package: stored.id }, 'access package fetched');
    },
  };
}

/** Mails the package to the key the person gave. Throws HushError `invalid` for a key that has become unusable, `conflict` when it is too large. */
async function mail(parts: AccessDeliveryParts, id: string, by: string): Promise<{ fingerprint: string }> {
  const { packages, clock, composer, post, store } = parts;
  const stored = await readyPackage(parts, id, 'openpgp');
  const delivery = packages.deliveryOf(stored);
  if (!delivery) throw new HushError('conflict', 'the key of this package is gone');
  const key = await readPublicKey(delivery.publicKey, clock.now());
  const size = FILES.reduce((sum, name) => sum + (stored.files?.[name]?.size ?? 0), 0);
  if (size > MAX_BYTES)
    throw new HushError('conflict', `the package has ${Math.ceil(size / 1024 / 1024)} MB, too much for a mail`, {
      remedy: 'hand it over as a download or on paper, by a new request',
    });
  const words = (name: string) => composer.word('access-encrypted', name, stored.language);
  const files = await Promise.all(FILES.map(async (name) => ({ name, bytes: await bytesOf(parts, stored, name) })));
  const encrypted = await encryptPackage(key, words('inside'), files, clock.now());
  await post({
    id: `access:${id}`,
    template: 'access-encrypted',
    language: stored.language,
    brand: stored.brand,
    to: delivery.email,
    values: {},
    written: { subject: words('subject'), html: '', text: words('outside') },
    encrypted,
  });
  await store.delivered(id, by, new Date(clock.now()));
  return { fingerprint: key.getFingerprint().toUpperCase() };
}

/** The PDF for the post. */
async function printed(parts: AccessDeliveryParts, id: string): Promise<AsyncIterable<Buffer>> {
  return parts.packages.file(await readyPackage(parts, id, 'print'), 'pdf');
}

/** It was posted: everything goes. */
async function posted(parts: AccessDeliveryParts, id: string, by: string): Promise<void> {
  const { store, clock } = parts;
  await readyPackage(parts, id, 'print');
  if (!(await store.delivered(id, by, new Date(clock.now()))))
    throw new HushError('conflict', 'it was marked as posted already');
  await store.purge(id);
}

/** Destroys what is over, and what the mail server has taken. */
async function sweep(parts: AccessDeliveryParts): Promise<void> {
  const { store, clock } = parts;
  for (const id of await store.over(new Date(clock.now()))) await store.purge(id);
  for (const id of await store.mailed()) {
    if ((await parts.outbox.outcome(`access:${id}`))?.state === 'sent') await store.purge(id);
  }
}

/** Hands packages over: an encrypted download, OpenPGP mail, or paper. */
export function createAccessDelivery(parts: AccessDeliveryParts) {
  return {
    offer: (id: string, by: string) => offer(parts, id, by),
    look: (token: string) => look(parts, token),
    fetch: (token: string, passphrase: string) => fetch(parts, token, passphrase),
    mail: (id: string, by: string) => mail(parts, id, by),
    printed: (id: string) => printed(parts, id),
    posted: (id: string, by: string) => posted(parts, id, by),
    sweep: () => sweep(parts),
  };
}

export type AccessDelivery = ReturnType<typeof createAccessDelivery>;
