import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { encodeBase32 } from '../../core/base32.js';
import { DAY_MS } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { createCipher, openWith, sealWith } from '../../core/seal.js';
import { addressOf } from '../../preferences/contact-address.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import type { AccessStore, AskedSystem, StoredPackage } from '../../store/access-packages.js';
import { unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import { CHUNK_BYTES } from '../requests/chunks.js';
import type { RequestContents } from '../requests/contents.js';
import { FILES, type FileName, writePackage } from './files.js';
import { type Gather, postalLines, readable, type SystemAnswer } from './gather.js';
import { readPublicKey } from './mail.js';
import type { AccessPackages, Delivery } from './port.js';
import type { AskedContact, AskSystem } from './systems.js';
import type { createAccessWords } from './words.js';

/** Longer than a round may last: asking takes 20 s, writing 20,000 events half a minute. */
const LEASE_MS = 10 * 60_000;
const AFTER_A_FAULT = 5 * 60_000;

/**
 * Gathers what is held of a person, here and in the systems of `catalog.accessSystems`, and keeps it sealed until it was
 * handed over or its time is over. Every part is under a key of its package, which is sealed under the installation's;
 * purging destroys both.
 */
export function createAccessPackages(parts: {
  readonly store: AccessStore;
  readonly contacts: Contacts;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Pick<Policy, 'accessPackageDays'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly gather: Gather;
  /** Called when there is a package to gather. */
  readonly onQueued: () => void;
  readonly provenAddresses: RequestContents['provenAddresses'];
  readonly ask: AskSystem;
  readonly words: ReturnType<typeof createAccessWords>;
}) {
  const { store, contacts, privateParts, catalog, clock, log, gather } = parts;
  const cipher = createCipher(parts.keyring, 'access-package');
  const keep = parts.policy.accessPackageDays * DAY_MS;
  const context = (id: string) => Buffer.from(id, 'utf8');
  const place = (id: string, name: string) => Buffer.from(`${id}/${name}`, 'utf8');

  function keyOf(made: StoredPackage): Buffer {
    const key = made.key && cipher.open(made.key, context(made.id));
    if (!key)
      throw new HushError('not_found', 'what was gathered is gone', { remedy: 'gather it again by a new request' });
    return key;
  }

  const keepPart = (made: StoredPackage, name: string, bytes: Buffer, until: number) =>
    store.keepPart(made.id, name, sealWith(keyOf(made), bytes, place(made.id, name)), new Date(until));

  async function part(made: StoredPackage, name: string): Promise<Buffer | undefined> {
    const sealed = await store.part(made.id, name);
    return sealed && openWith(keyOf(made), sealed, place(made.id, name));
  }

  /** Addresses of the package's contacts that can be read: as the ledger has them, or else as the request does. */
  async function readAddresses(made: StoredPackage) {
    const found = await contacts.find([...made.contacts]);
    const proven = await parts.provenAddresses(made.request);
    return made.contacts.flatMap((key) => {
      const contact = found.get(key.toString('hex'));
      const address = contact && addressOf(privateParts, contact);
      if (address) return [{ type: address.type, address: address.given, onlyInRequest: false }];
      const given = proven.get(key.toString('hex'));
      return given ? [{ ...given, onlyInRequest: true }] : [];
    });
  }

  const addressesOf = async (made: StoredPackage): Promise<AskedContact[]> =>
    (await readAddresses(made)).map(({ type, address }) => ({ type, address }));

  async function askAll(made: StoredPackage, until: number): Promise<AskedSystem[]> {
    const subject = {
      package: made.id,
      request: made.request,
      contacts: (await addressesOf(made)).map(({ type, address }) => ({
        type,
        address: readable({ type, given: address }) ?? address,
      })),
    };
    return Promise.all(
      made.systems.map(async (asked) => {
        const now = clock.now();
        const system = catalog.accessSystems.find(({ name }) => name === asked.name);
        if (asked.state !== 'waiting') return asked;
        if (!system || subject.contacts.length === 0) return { ...asked, state: 'nothing_held' as const, at: now };
        if (asked.due > now) return asked;
        const { system: after, data } = await parts.ask(system, asked, subject);
        if (data !== undefined) await keepPart(made, `answer/${asked.name}`, Buffer.from(JSON.stringify(data)), until);
        if (after.fault !== undefined && after.state !== asked.state)
          log.warn({ package: made.id, system: asked.name, fault: after.fault }, 'an access system refused');
        return after.state === 'waiting' && clock.now() >= asked.deadline
          ? { ...after, state: 'not_answered' as const }
          : after;
      }),
    );
  }

  async function answersOf(made: StoredPackage, systems: readonly AskedSystem[]): Promise<SystemAnswer[]> {
    return Promise.all(
      systems.map(async (asked): Promise<SystemAnswer> => {
        const system = catalog.accessSystems.find(({ name }) => name === asked.name);
        const data = await part(made, `answer/${asked.name}`);
        return {
          system: system ?? { name: asked.name, role: 'processor', about: { en: asked.name } },
          state: asked.state === 'waiting' ? 'not_answered' : asked.state,
          deadline: asked.deadline,
          ...(asked.at === undefined ? {} : { at: asked.at }),
          ...(data ? { data: JSON.parse(data.toString('utf8')) } : {}),
        };
      }),
    );
  }

  /** Writes the files as sealed chunks under a build of its own: another build of a lost lease mixes with nothing. */
  async function build(made: StoredPackage, systems: readonly AskedSystem[], until: number) {
    const brand = brandById(catalog, made.brand) ?? catalog.brands[0];
    if (!brand) throw new Error('the catalog has no brand');
    const name = encodeBase32(randomBytes(5)).toLowerCase();
    const addresses = await readAddresses(made);
    const postal = addresses.find(({ type }) => type === 'postal');
    const files = Object.fromEntries(FILES.map((file) => [file, { chunks: 0, size: 0 }])) as Record<
      FileName,
      { chunks: number; size: number }
    >;
    const held: Record<FileName, Buffer[]> = { json: [], html: [], pdf: [] };
    const flush = async (file: FileName) => {
      const bytes = Buffer.concat(held[file]);
      held[file] = [];
      if (bytes.length === 0) return;
      await keepPart(made, `${name}/${file}/${files[file].chunks}`, bytes, until);
      files[file].chunks++;
    };
    const sinkOf = (file: FileName) => async (bytes: Buffer) => {
      held[file].push(bytes);
      files[file].size += bytes.length;
      if (held[file].reduce((sum, { length }) => sum + length, 0) >= CHUNK_BYTES) await flush(file);
    };
    const { rows } = await writePackage({
      head: {
        request: made.request,
        at: clock.now(),
        brand,
        group: catalog.group,
        address: postal && made.way === 'print' ? postalLines(postal.address) : [],
      },
      words: await parts.words(made.language),
      country: catalog.group.defaultCountry,
      held: gather(
        made.contacts,
        await answersOf(made, systems),
        addresses.filter(({ onlyInRequest }) => onlyInRequest),
      ),
      sinks: { json: sinkOf('json'), html: sinkOf('html'), pdf: sinkOf('pdf') },
    });
    for (const file of FILES) await flush(file);
    return { build: name, files, rows };
  }

  async function advance(made: StoredPackage, lease: string): Promise<void> {
    const latest = Math.max(clock.now(), ...made.systems.map(({ deadline }) => deadline));
    const systems = await askAll(made, latest + keep);
    const waiting = systems.filter(({ state }) => state === 'waiting');
    if (waiting.length > 0) {
      const due = Math.min(...waiting.map((system) => Math.min(system.due, system.deadline)));
      await store.settle(made.id, lease, { systems, due: new Date(due) });
      return;
    }
    const until = clock.now() + keep;
    const { rows, ...built } = await build(made, systems, until);
    const done = await store.settle(made.id, lease, {
      systems,
      state: 'ready',
      ...built,
      readyAt: new Date(clock.now()),
      until: new Date(until),
    });
    if (done) log.info({ package: made.id, request: made.request, rows }, 'access package ready');
  }

  const packages: AccessPackages = {
    async prepare(request, by) {
      if (!brandById(catalog, request.brand))
        throw new HushError('invalid', `there is no brand ${request.brand}`, { field: 'brand' });
      if (request.contacts.length === 0)
        throw new HushError('invalid', 'a package is about at least one contact', { field: 'contacts' });
      const now = clock.now();
      if (request.delivery.way === 'openpgp') await readPublicKey(request.delivery.publicKey, now);
      const id = `p_${encodeBase32(randomBytes(10)).toLowerCase()}`;
      try {
        const { state, id: known } = await store.begin({
          id,
          request: request.id,
          contacts: request.contacts,
          language: request.language,
          brand: request.brand,
          way: request.delivery.way,
          state: 'gathering',
          by,
          at: now,
          key: cipher.seal(randomBytes(32), context(id)),
          systems: catalog.accessSystems.map(({ name, answerDays }) => ({
            name,
            state: 'waiting',
            attempts: 0,
            due: now,
            deadline: now + answerDays * DAY_MS,
          })),
          ...(request.delivery.way === 'openpgp'
            ? { sealed: cipher.seal(Buffer.from(JSON.stringify(request.delivery)), context(id)) }
            : {}),
        });
        parts.onQueued();
        return { id: known, state };
      } catch (error) {
        throw unavailable(error);
      }
    },

    async status(id) {
      const made = await store.get(id);
      return made && { id, state: made.state, at: made.deliveredAt ?? made.readyAt ?? made.at };
    },
  };

  return {
    ...packages,
    get: store.get,
    list: store.list,
    addressesOf,

    /** Key and address of a package for OpenPGP. */
    deliveryOf(made: StoredPackage): Extract<Delivery, { way: 'openpgp' }> | undefined {
      const plain = made.sealed && cipher.open(made.sealed, context(made.id));
      return plain && (JSON.parse(plain.toString('utf8')) as Extract<Delivery, { way: 'openpgp' }>);
    },

    /** The bytes of one file, a chunk at a time. Throws HushError('not_found') when it is not there (any more). */
    async *file(made: StoredPackage, name: FileName): AsyncGenerator<Buffer> {
      const chunks = made.files?.[name]?.chunks;
      if (chunks === undefined || made.build === undefined)
        throw new HushError('not_found', 'this package is not written yet');
      for (let at = 0; at < chunks; at++) {
        const bytes = await part(made, `${made.build}/${name}/${at}`);
        if (!bytes) throw new HushError('not_found', 'what was gathered is gone');
        yield bytes;
      }
    },
    /** One round: takes packages that are due until none is. Bears being run by several workers at once. */
    async work(): Promise<void> {
      for (;;) {
        const now = clock.now();
        const lease = encodeBase32(randomBytes(8));
        const made = await store.take(lease, new Date(now), new Date(now + LEASE_MS));
        if (!made) return;
        try {
          await advance(made, lease);
        } catch (error) {
          log.error({ err: error, package: made.id }, 'an access package could not be gathered; it is tried again');
          await store.settle(made.id, lease, {
            fault: error instanceof Error ? error.name : 'unknown',
            due: new Date(clock.now() + AFTER_A_FAULT),
          });
        }
      }
    },
  };
}

export type Packages = ReturnType<typeof createAccessPackages>;
