import type { Logger } from 'pino';
import { encodeBase32 } from '../../core/base32.js';
import { DAY_MS } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Keyring } from '../../core/keys.js';
import type { Machine } from '../../core/machine.js';
import type { Policy } from '../../core/policy.js';
import { type Cipher, createCipher, openWith, sealWith } from '../../core/seal.js';
import { oneAtATime } from '../../one-at-a-time.js';
import { addressOf } from '../../preferences/contact-address.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import type { AccessStore, AskedSystem, StoredPackage } from '../../store/access-packages.js';
import { unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import { CHUNK_BYTES } from '../requests/chunks.js';
import type { RequestContents } from '../requests/contents.js';
import { FILES, type FileName, writePackage } from './files.js';
import { type Gather, postalLines, readable, type SystemResponse } from './gather.js';
import { readPublicKey } from './mail.js';
import type { Delivery, PackageRequest, PackageState } from './port.js';
import type { AskSystem, QueriedContact } from './systems.js';
import type { createAccessWords } from './words.js';

/** Longer than a round may last: asking takes 20 s, writing 20,000 events half a minute. */
const LEASE_MS = 10 * 60_000;
const AFTER_A_FAULT = 5 * 60_000;

interface AccessPackagesParts {
  readonly store: AccessStore;
  readonly contacts: Contacts;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Pick<Policy, 'accessPackageDays'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Logger;
  readonly gather: Gather;
  /** Called when there is a package to gather. */
  readonly onQueued: () => void;
  readonly provenAddresses: RequestContents['provenAddresses'];
  readonly ask: AskSystem;
  readonly words: ReturnType<typeof createAccessWords>;
}

interface AccessPackagesContext extends AccessPackagesParts {
  readonly cipher: Cipher;
  readonly keep: number;
}

function packageContext(id: string) {
  return Buffer.from(id, 'utf8');
}

function partContext(id: string, name: string) {
  return Buffer.from(`${id}/${name}`, 'utf8');
}

function keyOf(context: AccessPackagesContext, stored: StoredPackage): Buffer {
  const key = stored.key && context.cipher.open(stored.key, packageContext(stored.id));
  if (!key)
    throw new HushError('not_found', 'what was gathered is gone', { remedy: 'gather it again by a new request' });
  return key;
}

function keepPart(context: AccessPackagesContext, stored: StoredPackage, name: string, bytes: Buffer, until: number) {
  return context.store.keepPart(
    stored.id,
    name,
    sealWith(context.machine, keyOf(context, stored), bytes, partContext(stored.id, name)),
    new Date(until),
  );
}

async function readPart(
  context: AccessPackagesContext,
  stored: StoredPackage,
  name: string,
): Promise<Buffer | undefined> {
  const sealed = await context.store.part(stored.id, name);
  return sealed && openWith(keyOf(context, stored), sealed, partContext(stored.id, name));
}

/** Addresses of the package's contacts that can be read: as the ledger has them, or else as the request does. */
async function readAddresses(context: AccessPackagesContext, stored: StoredPackage) {
  const found = await context.contacts.find([...stored.contacts]);
  const proven = await context.provenAddresses(stored.request);
  return stored.contacts.flatMap((key) => {
    const contact = found.get(key.toString('hex'));
    const address = contact && addressOf(context.privateParts, contact);
    if (address) return [{ type: address.type, address: address.given, onlyInRequest: false }];
    const addressInRequest = proven.get(key.toString('hex'));
    return addressInRequest ? [{ ...addressInRequest, onlyInRequest: true }] : [];
  });
}

async function addressesOf(context: AccessPackagesContext, stored: StoredPackage): Promise<QueriedContact[]> {
  return (await readAddresses(context, stored)).map(({ type, address }) => ({ type, address }));
}

async function askAll(context: AccessPackagesContext, stored: StoredPackage, until: number): Promise<AskedSystem[]> {
  const { clock, catalog, log } = context;
  const subject = {
    package: stored.id,
    request: stored.request,
    contacts: (await addressesOf(context, stored)).map(({ type, address }) => ({
      type,
      address: readable({ type, given: address }) ?? address,
    })),
  };
  return Promise.all(
    stored.systems.map(async (query) => {
      const now = clock.now();
      const system = catalog.accessSystems.find(({ name }) => name === query.name);
      if (query.state !== 'waiting') return query;
      if (!system || subject.contacts.length === 0) return { ...query, state: 'nothing_held' as const, at: now };
      if (query.due > now) return query;
      const { system: after, data } = await context.ask(system, query, subject);
      if (data !== undefined)
        await keepPart(context, stored, `answer/${query.name}`, Buffer.from(JSON.stringify(data)), until);
      if (after.fault !== undefined && after.state !== query.state)
        log.warn({ package: stored.id, system: query.name, fault: after.fault }, 'an access system refused');
      return after.state === 'waiting' && clock.now() >= query.deadline
        ? { ...after, state: 'not_answered' as const }
        : after;
    }),
  );
}

async function responsesOf(
  context: AccessPackagesContext,
  stored: StoredPackage,
  systems: readonly AskedSystem[],
): Promise<SystemResponse[]> {
  return Promise.all(
    systems.map(async (query): Promise<SystemResponse> => {
      const system = context.catalog.accessSystems.find(({ name }) => name === query.name);
      const data = await readPart(context, stored, `answer/${query.name}`);
      return {
        system: system ?? { name: query.name, role: 'processor', about: { en: query.name } },
        state: query.state === 'waiting' ? 'not_answered' : query.state,
        deadline: query.deadline,
        ...(query.at === undefined ? {} : { at: query.at }),
        ...(data ? { data: JSON.parse(data.toString('utf8')) } : {}),
      };
    }),
  );
}

/** Writes the files as sealed chunks under a build of its own: another build of a lost lease mixes with nothing. */
async function build(
  context: AccessPackagesContext,
  stored: StoredPackage,
  systems: readonly AskedSystem[],
  until: number,
) {
  const { catalog, clock, gather, machine } = context;
  const brand = brandById(catalog, stored.brand) ?? catalog.brands[0];
  if (!brand) throw new Error('the catalog has no brand');
  const name = encodeBase32(machine.randomBytes(5)).toLowerCase();
  const addresses = await readAddresses(context, stored);
  const postal = addresses.find(({ type }) => type === 'postal');
  const files = Object.fromEntries(FILES.map((file) => [file, { chunks: 0, size: 0 }])) as Record<
    FileName,
    { chunks: number; size: number }
  >;
  const buffered: Record<FileName, Buffer[]> = { json: [], html: [], pdf: [] };
  const flush = async (file: FileName) => {
    const bytes = Buffer.concat(buffered[file]);
    buffered[file] = [];
    if (bytes.length === 0) return;
    await keepPart(context, stored, `${name}/${file}/${files[file].chunks}`, bytes, until);
    files[file].chunks++;
  };
  const sinkOf = (file: FileName) => async (bytes: Buffer) => {
    buffered[file].push(bytes);
    files[file].size += bytes.length;
    if (buffered[file].reduce((sum, { length }) => sum + length, 0) >= CHUNK_BYTES) await flush(file);
  };
  const { rows } = await writePackage({
    machine,
    head: {
      request: stored.request,
      at: clock.now(),
      brand,
      group: catalog.group,
      address: postal && stored.way === 'print' ? postalLines(postal.address) : [],
    },
    words: await context.words(stored.language),
    country: catalog.group.defaultCountry,
    rows: gather(
      stored.contacts,
      await responsesOf(context, stored, systems),
      addresses.filter(({ onlyInRequest }) => onlyInRequest),
    ),
    sinks: { json: sinkOf('json'), html: sinkOf('html'), pdf: sinkOf('pdf') },
  });
  for (const file of FILES) await flush(file);
  return { build: name, files, rows };
}

async function advance(context: AccessPackagesContext, stored: StoredPackage, lease: string): Promise<void> {
  const { clock, keep, store, log } = context;
  const latest = Math.max(clock.now(), ...stored.systems.map(({ deadline }) => deadline));
  const systems = await askAll(context, stored, latest + keep);
  const waiting = systems.filter(({ state }) => state === 'waiting');
  if (waiting.length > 0) {
    const due = Math.min(...waiting.map((system) => Math.min(system.due, system.deadline)));
    await store.settle(stored.id, lease, { systems, due: new Date(due) });
    return;
  }
  const until = clock.now() + keep;
  const { rows, ...built } = await build(context, stored, systems, until);
  const done = await store.settle(stored.id, lease, {
    systems,
    state: 'ready',
    ...built,
    readyAt: new Date(clock.now()),
    until: new Date(until),
  });
  if (done) log.info({ package: stored.id, request: stored.request, rows }, 'access package ready');
}

/** Begins to gather; asking again for the same request answers with the package there is. */
async function prepare(
  context: AccessPackagesContext,
  request: PackageRequest,
  by: string,
): Promise<{ readonly id: string; readonly state: PackageState }> {
  const { catalog, clock, store, cipher, machine } = context;
  if (!brandById(catalog, request.brand))
    throw new HushError('invalid', `there is no brand ${request.brand}`, { field: 'brand' });
  if (request.contacts.length === 0)
    throw new HushError('invalid', 'a package is about at least one contact', { field: 'contacts' });
  const now = clock.now();
  if (request.delivery.way === 'openpgp') await readPublicKey(request.delivery.publicKey, now);
  const id = `p_${encodeBase32(machine.randomBytes(10)).toLowerCase()}`;
  try {
    const { state, id: packageId } = await store.begin({
      id,
      request: request.id,
      contacts: request.contacts,
      language: request.language,
      brand: request.brand,
      way: request.delivery.way,
      state: 'gathering',
      by,
      at: now,
      key: cipher.seal(machine.randomBytes(32), packageContext(id)),
      systems: catalog.accessSystems.map(({ name, answerDays }) => ({
        name,
        state: 'waiting',
        attempts: 0,
        due: now,
        deadline: now + answerDays * DAY_MS,
      })),
      ...(request.delivery.way === 'openpgp'
        ? { sealed: cipher.seal(Buffer.from(JSON.stringify(request.delivery)), packageContext(id)) }
        : {}),
    });
    context.onQueued();
    return { id: packageId, state };
  } catch (error) {
    throw unavailable(error);
  }
}

async function status(
  context: AccessPackagesContext,
  id: string,
): Promise<{ readonly id: string; readonly state: PackageState; readonly at?: number } | undefined> {
  const stored = await context.store.get(id);
  return stored && { id, state: stored.state, at: stored.deliveredAt ?? stored.readyAt ?? stored.at };
}

/** Key and address of a package for OpenPGP. */
function deliveryOf(
  context: AccessPackagesContext,
  stored: StoredPackage,
): Extract<Delivery, { way: 'openpgp' }> | undefined {
  const plain = stored.sealed && context.cipher.open(stored.sealed, packageContext(stored.id));
  return plain && (JSON.parse(plain.toString('utf8')) as Extract<Delivery, { way: 'openpgp' }>);
}

/** The bytes of one file, a chunk at a time. Throws HushError('not_found') when it is not there (any more). */
async function* fileBytes(
  context: AccessPackagesContext,
  stored: StoredPackage,
  name: FileName,
): AsyncGenerator<Buffer> {
  const chunks = stored.files?.[name]?.chunks;
  if (chunks === undefined || stored.build === undefined)
    throw new HushError('not_found', 'this package is not written yet');
  for (let at = 0; at < chunks; at++) {
    const bytes = await readPart(context, stored, `${stored.build}/${name}/${at}`);
    if (!bytes) throw new HushError('not_found', 'what was gathered is gone');
    yield bytes;
  }
}

/** One round: takes packages that are due until none is. Bears being run by several workers at once. */
async function work(context: AccessPackagesContext): Promise<void> {
  const { clock, store, log, machine } = context;
  for (;;) {
    const now = clock.now();
    const lease = encodeBase32(machine.randomBytes(8));
    const stored = await store.take(lease, new Date(now), new Date(now + LEASE_MS));
    if (!stored) return;
    try {
      await advance(context, stored, lease);
    } catch (error) {
      log.error({ err: error, package: stored.id }, 'an access package could not be gathered; it is tried again');
      await store.settle(stored.id, lease, {
        fault: error instanceof Error ? error.name : 'unknown',
        due: new Date(clock.now() + AFTER_A_FAULT),
      });
    }
  }
}

/**
 * Gathers what is held of a person, here and in the systems of `catalog.accessSystems`, and keeps it sealed until it was
 * handed over or its time is over. Every part is under a key of its package, which is sealed under the installation's;
 * purging destroys both.
 */
export function createAccessPackages(parts: AccessPackagesParts) {
  const cipher = createCipher(parts.keyring, 'access-package');
  const keep = parts.policy.accessPackageDays * DAY_MS;
  const context: AccessPackagesContext = { ...parts, cipher, keep };
  return {
    prepare: (request: PackageRequest, by: string) => prepare(context, request, by),
    status: (id: string) => status(context, id),
    get: parts.store.get,
    list: parts.store.list,
    addressesOf: (stored: StoredPackage) => addressesOf(context, stored),
    deliveryOf: (stored: StoredPackage) => deliveryOf(context, stored),
    file: (stored: StoredPackage, name: FileName) => fileBytes(context, stored, name),
    work: oneAtATime(() => work(context)),
  };
}

export type Packages = ReturnType<typeof createAccessPackages>;
