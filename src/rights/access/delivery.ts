import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { encodeBase32 } from '../../core/base32.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Keyring } from '../../core/keys.js';
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

/** Hands packages over: an encrypted download, OpenPGP mail, or paper. */
export function createAccessDelivery(parts: {
  readonly packages: Packages;
  readonly store: AccessStore;
  readonly outbox: Pick<OutboxStore, 'outcome'>;
  readonly composer: Composer;
  readonly post: (mail: OutgoingMail) => Promise<unknown>;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly publicUrl: () => string;
}) {
  const { packages, store, composer, post, keyring, clock, log } = parts;

  async function readyPackage(id: string, way: StoredPackage['way']): Promise<StoredPackage & { until: number }> {
    const made = await store.get(id);
    if (!made || made.way !== way) throw new HushError('not_found', 'there is no such package');
    if (!made.files || !made.key || made.until === undefined || made.openedAt !== undefined)
      throw new HushError('conflict', 'there is nothing to hand over', {
        remedy: made.state === 'gathering' ? 'wait until it is ready' : 'it was handed over, or its time is over',
      });
    return { ...made, until: made.until };
  }

  async function emailOf(made: StoredPackage): Promise<string | undefined> {
    return (await packages.addressesOf(made)).find(({ type }) => type === 'email')?.address;
  }

  async function bytesOf(made: StoredPackage, name: FileName): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of packages.file(made, name)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  return {
    /**
     * Encrypts the package with a passphrase that is told once and kept nowhere, and mails the link. An earlier link ends.
     * Without an email address the link comes back, to be given by other means.
     */
    async offer(id: string, by: string): Promise<{ passphrase: string; link: string; mailed: boolean; until: number }> {
      const made = await readyPackage(id, 'download');
      const download = encodeBase32(randomBytes(5)).toLowerCase();
      const passphrase = newPassphrase();
      const salt = randomBytes(16);
      const key = await keyOfPassphrase(passphrase, salt);
      const entries = FILES.map((name) => ({ name: `access.${name}`, bytes: packages.file(made, name) }));
      let chunks = 0;
      let size = 0;
      for await (const bytes of chunked(zipped(entries, clock.now()))) {
        await store.keepPart(
          id,
          `download/${download}/${chunks}`,
          sealChunk(key, download, chunks, bytes),
          new Date(made.until),
        );
        chunks++;
        size += bytes.length;
      }
      const token = newToken();
      const link = `${parts.publicUrl()}/access/${token}`;
      const now = clock.now();
      const offered = await store.offer(
        id,
        {
          id: download,
          token: tokenHash(keyring.lookup, token),
          salt,
          check: sealCheck(key, download),
          size,
          chunks,
          attempts: ATTEMPTS,
          at: now,
          until: made.until,
        },
        by,
        new Date(now),
      );
      if (!offered) throw new HushError('conflict', 'somebody else has just handed it over');
      const email = await emailOf(made);
      if (email !== undefined) {
        const until = new Intl.DateTimeFormat(made.language, { dateStyle: 'long', timeZone: 'UTC' }).format(made.until);
        await post({
          id: `access-link:${download}`,
          template: 'access-link',
          language: made.language,
          brand: made.brand,
          to: email,
          values: { link: `${link}?lang=${made.language}`, until },
          until: made.until,
        });
      }
      return { passphrase, link, mailed: email !== undefined, until: made.until };
    },

    /** Looks at a link without changing anything; undefined when it leads to nothing any more. */
    async look(token: string): Promise<OfferedLink | undefined> {
      const made = await store.byToken(tokenHash(keyring.lookup, token));
      const { download } = made ?? {};
      if (!made || !download || made.openedAt !== undefined || download.attempts <= 0) return undefined;
      if (download.until <= clock.now()) return undefined;
      return { until: download.until, language: made.language, brand: made.brand };
    },

    async fetch(token: string, passphrase: string): Promise<Fetched> {
      const hash = tokenHash(keyring.lookup, token);
      const now = clock.now();
      // The try is taken before it is looked at: a hundred at once are five all the same.
      const made = await store.tryPassphrase(hash, now);
      const download = made?.download;
      if (!made || !download) return { outcome: 'gone' };
      const key = await keyOfPassphrase(passphrase, download.salt);
      if (!opensCheck(key, download.id, download.check)) {
        if (download.attempts === 0)
          log.warn({ package: made.id }, 'an access link was locked after wrong passphrases');
        return download.attempts === 0 ? { outcome: 'gone' } : { outcome: 'wrong', left: download.attempts };
      }
      if (!(await store.beginFetch(hash, now, now + FETCH_MS))) {
        await store.giveBack(hash);
        return { outcome: 'busy' };
      }
      async function* bytes({ id, chunks }: NonNullable<typeof download>): AsyncGenerator<Buffer> {
        for (let at = 0; at < chunks; at++) {
          const sealed = await store.part(made?.id ?? '', `download/${id}/${at}`);
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
          await store.opened(made.id, new Date(clock.now()));
          await store.purge(made.id);
          log.info({ package: made.id }, 'access package fetched');
        },
      };
    },

    /** Mails the package to the key the person gave. Throws HushError `invalid` for a key that has become unusable, `conflict` when it is too large. */
    async mail(id: string, by: string): Promise<{ fingerprint: string }> {
      const made = await readyPackage(id, 'openpgp');
      const delivery = packages.deliveryOf(made);
      if (!delivery) throw new HushError('conflict', 'the key of this package is gone');
      const key = await readPublicKey(delivery.publicKey, clock.now());
      const size = FILES.reduce((sum, name) => sum + (made.files?.[name]?.size ?? 0), 0);
      if (size > MAX_BYTES)
        throw new HushError('conflict', `the package has ${Math.ceil(size / 1024 / 1024)} MB, too much for a mail`, {
          remedy: 'hand it over as a download or on paper, by a new request',
        });
      const words = (name: string) => composer.word('access-encrypted', name, made.language);
      const files = await Promise.all(FILES.map(async (name) => ({ name, bytes: await bytesOf(made, name) })));
      const encrypted = await encryptPackage(key, words('inside'), files, clock.now());
      await post({
        id: `access:${id}`,
        template: 'access-encrypted',
        language: made.language,
        brand: made.brand,
        to: delivery.email,
        values: {},
        written: { subject: words('subject'), html: '', text: words('outside') },
        encrypted,
      });
      await store.delivered(id, by, new Date(clock.now()));
      return { fingerprint: key.getFingerprint().toUpperCase() };
    },

    /** The PDF for the post. */
    async printed(id: string): Promise<AsyncIterable<Buffer>> {
      return packages.file(await readyPackage(id, 'print'), 'pdf');
    },

    /** It was posted: everything goes. */
    async posted(id: string, by: string): Promise<void> {
      await readyPackage(id, 'print');
      if (!(await store.delivered(id, by, new Date(clock.now()))))
        throw new HushError('conflict', 'it was marked as posted already');
      await store.purge(id);
    },

    /** Destroys what is over, and what the mail server has taken. */
    async sweep(): Promise<void> {
      for (const id of await store.over(new Date(clock.now()))) await store.purge(id);
      for (const id of await store.mailed()) {
        if ((await parts.outbox.outcome(`access:${id}`))?.state === 'sent') await store.purge(id);
      }
    },
  };
}

export type AccessDelivery = ReturnType<typeof createAccessDelivery>;
