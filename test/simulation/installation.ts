import path from 'node:path';
import { type Connection, mongo } from 'mongoose';
import { configurationHash, readCatalog } from '../../src/config/catalog.js';
import { readPolicy } from '../../src/config/policy.js';
import { type ContactPoint, normaliseContact } from '../../src/core/contact-point.js';
import { contactKeyBytes, deriveKey, type Keyring } from '../../src/core/keys.js';
import type { Machine } from '../../src/core/machine.js';
import { openStores, type Stores } from '../../src/store/open.js';
import type { Binding } from '../../src/sync/destination.js';
import { simulatedConnection } from './mongo/connection.js';
import type { Line } from './mongo/driver.js';
import type { ProviderSettings } from './provider.js';

/** What every simulated installation is configured with: the catalog and the policy of the project. */
const CONFIG = path.resolve(import.meta.dirname, '../../config');
export const catalog = readCatalog(path.join(CONFIG, 'catalog.yaml'));
export const policy = readPolicy(path.join(CONFIG, 'policy.yaml'));
const configuration = configurationHash(catalog, policy);

/** Two roots, of which the first processes know one: the second is the rotation's. */
const roots = [1, 2].map((id) => [id, deriveKey(Buffer.from(`root ${id}`), 'root')] as const);
const lookup = deriveKey(Buffer.from('lookup'), 'lookup');
export type Roots = Omit<Keyring, 'randomBytes'>;
export const BEFORE_ROTATION: Roots = { lookup, current: 1, roots: new Map(roots.slice(0, 1)) };
/** The new root is known everywhere before anything is sealed under it. */
export const DURING_ROTATION: Roots = { lookup, current: 1, roots: new Map(roots) };
export const AFTER_ROTATION: Roots = { lookup, current: 2, roots: new Map(roots) };

const email = (text: string): ContactPoint => normaliseContact({ email: text });

/** The people of the simulation: two that may be joined, two spellings of one mailbox, one that a provider refuses, one by phone. */
export const POINTS: readonly ContactPoint[] = [
  email('ada@example.com'),
  email('bo@example.com'),
  email('c.d@gmail.com'),
  email('cd@gmail.com'),
  email('refused@example.com'),
  normaliseContact({ phone: '+14155550100' }),
];
/** Indexes into `POINTS` of spellings of one mailbox. */
export const SPELLINGS: readonly (readonly number[])[] = [[2, 3]];
export const KEYS: readonly Buffer[] = POINTS.map((point) => contactKeyBytes(BEFORE_ROTATION, point));
export const HEX: readonly string[] = KEYS.map((key) => key.toString('hex'));

/** The other spellings of a contact's mailbox, by their keys (hex). */
export function spellingsOf(contact: string): readonly string[] {
  return SPELLINGS.flatMap((group) => {
    const all = group.flatMap((index) => HEX[index] ?? []);
    return all.includes(contact) ? all.filter((one) => one !== contact) : [];
  });
}

const binding = (name: string, scope: Binding['scope']): Binding => ({ name, scope, target: {} });

export const PROVIDERS: readonly ProviderSettings[] = [
  {
    name: 'sender',
    accepts: ['email'],
    bindings: [
      binding('offers', { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' }),
      binding('tips', { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'tips' }),
      binding('shipping', { brand: 'shipping', channel: 'email', purpose: 'promotion', topic: '*' }),
    ],
    limit: 3,
    reads: true,
    refuses: 'refused@example.com',
  },
  {
    name: 'ads',
    accepts: ['email', 'phone'],
    bindings: [binding('audience', { brand: 'jmf', channel: 'ads', purpose: 'retargeting', topic: '*' })],
    limit: 2,
    lanes: 2,
    matchesMailboxes: true,
    reads: false,
  },
];

/** What a process is started with. */
export interface Setting {
  readonly roots: Roots;
  /** Hash of catalog and policy. */
  readonly configuration: string;
  /** Names of the bindings that its catalog has. */
  readonly bindings: readonly string[];
}

/** Bound later, by a change of the catalog. */
export const LATER_BINDING = 'tips';
const allBindings = PROVIDERS.flatMap(({ bindings }) => bindings.map(({ name }) => name));
export const FIRST: Setting = {
  roots: BEFORE_ROTATION,
  configuration,
  bindings: allBindings.filter((name) => name !== LATER_BINDING),
};
/** The configuration after the change. */
export const RECONFIGURED = { configuration: `${configuration}-changed`, bindings: allBindings } as const;

/** What a process reaches the outside through; another process of the same slot gets another one. */
interface Wires extends Line {
  machine: Machine;
}

/**
 * Models and stores of one process. Making them costs more than a whole seed, so they are made once and used by one simulated
 * process after the other: what belongs to a process comes in through `wires`.
 */
export interface Slot {
  readonly connection: Connection;
  readonly stores: Stores;
  readonly wires: Wires;
}

/** Pending events that make a contact hot: a hundredth of the product's, so that a few people can. */
const PENDING_LIMIT = 2;

const free: Slot[] = [];
/** The commands that make the indexes, in order. */
const indexCommands: { readonly db: string; readonly command: object }[] = [];

const unused = (): never => {
  throw new Error('a slot is used by nobody');
};

async function newSlot(): Promise<Slot> {
  const isFirst = indexCommands.length === 0;
  const wires: Wires = {
    async send(db, command) {
      if (isFirst && 'createIndexes' in command) indexCommands.push({ db, command });
      return { ok: 1 };
    },
    createId: () => new mongo.ObjectId(),
    machine: {
      now: unused,
      elapsed: unused,
      after: unused,
      yieldTurn: unused,
      randomBytes: (size) => Buffer.alloc(size),
      random: unused,
    },
  };
  const connection = simulatedConnection(wires);
  const machine: Machine = {
    now: () => wires.machine.now(),
    elapsed: () => wires.machine.elapsed(),
    after: (ms, call) => wires.machine.after(ms, call),
    yieldTurn: () => wires.machine.yieldTurn(),
    randomBytes: (size) => wires.machine.randomBytes(size),
    random: () => wires.machine.random(),
  };
  return { connection, stores: await openStores(connection, machine, { pendingLimit: PENDING_LIMIT }), wires };
}

/** A slot that no process has. */
export async function takeSlot(): Promise<Slot> {
  return free.pop() ?? (await newSlot());
}

/** What the process left is never answered, so nothing of it goes on. */
export function giveBackSlot(slot: Slot): void {
  slot.wires.send = () => new Promise(() => undefined);
  free.push(slot);
}

/** Slots that a run takes at the most. */
const MAX_PROCESSES = 4;

/** Makes the collections with their indexes; from then on nothing waits for anything but simulated time. */
export async function install(execute: (db: string, command: object) => unknown): Promise<void> {
  while (free.length < MAX_PROCESSES) free.push(await newSlot());
  for (const { db, command } of indexCommands) execute(db, command);
}
