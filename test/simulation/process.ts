import pino from 'pino';
import { createAudit } from '../../src/audit/index.js';
import { fingerprintsOf } from '../../src/config/secrets.js';
import { createAliasGroups } from '../../src/core/alias-group.js';
import { createClock } from '../../src/core/clock.js';
import { createKeyWatch } from '../../src/key-watch.js';
import { createPreferences } from '../../src/preferences/index.js';
import { createPrivateParts } from '../../src/preferences/private-part.js';
import type { QueueName } from '../../src/queues.js';
import { createReadiness } from '../../src/readiness.js';
import { createApprovals } from '../../src/staff/approvals.js';
import { createChangeFeed } from '../../src/suppression/change-feed.js';
import { createImports } from '../../src/suppression/import.js';
import { createSync } from '../../src/sync/index.js';
import { createActs } from '../../src/web/public/acts.js';
import type { Database } from './database.js';
import type { Disk } from './disk.js';
import { catalog, giveBackSlot, policy, type Setting, type Slot, takeSlot } from './installation.js';
import { simulatedMachine, type WrongClock } from './machine.js';
import { objectIds } from './mongo/object-ids.js';
import type { Promises } from './promises.js';
import type { Provider } from './provider.js';
import { SEAL_MS, SIMULATED_TIMES, SWEEP_MS } from './times.js';
import type { Owner, World } from './world.js';

export type Role = 'web' | 'worker';

/** What the processes of an installation share. */
export interface Site {
  readonly world: World;
  readonly database: Database;
  readonly providers: readonly Provider[];
  readonly disk: Disk;
  /** Tells processes apart. */
  readonly nextProcess: () => number;
  readonly promises: Promises;
  /** A job was added: some worker will hear of it, unless Redis forgets. */
  readonly wake: (queue: QueueName) => void;
  /** What processes are started with. */
  setting: Setting;
  /** ms; until then processes are started again with another setting. */
  rollsOutUntil: number;
  /** Nothing goes wrong any more. */
  isWell: boolean;
  /** Roots (hex) of the log by size, as they were published. */
  readonly publishedRoots: Map<number, string>;
}

const silent = pino({ level: 'silent' });
const nothing = (): void => undefined;
const noHttp = { request: () => Promise.reject(new Error('nothing in the simulation speaks HTTP')) };

/** The program's own parts on a simulated machine, joined as `src/compose.ts` joins them. */
async function boot(site: Site, owner: Owner, role: Role, setting: Setting, clockFault: WrongClock, slot: Slot) {
  const { world, database, promises } = site;
  const machine = simulatedMachine(world, owner, clockFault);
  const keyring = { ...setting.roots, randomBytes: machine.randomBytes };
  slot.wires.machine = machine;
  slot.wires.send = (db, command) => database.send(owner, db, command);
  slot.wires.createId = objectIds(machine.now, site.nextProcess());
  const { stores } = slot;
  const clock = createClock(machine.now);
  const destinations = site.providers.map((provider) => provider.boundTo(owner, setting.bindings));
  const keyWatch = createKeyWatch({
    ours: fingerprintsOf(keyring),
    recorded: stores.installation.read,
    log: silent,
    machine,
  });
  await keyWatch.look();
  const base = {
    environment: { journalDir: '/journal' },
    stores,
    machine,
    keyring,
    catalog,
    policy,
    configuration: setting.configuration,
    destinations,
    country: 'US',
    clock,
    log: silent,
    keyWatch,
    queues: {
      add: (queue: QueueName) => site.wake(queue),
    },
    metrics: { projected: nothing, decided: nothing, unopened: nothing },
    privateParts: createPrivateParts(keyring),
    aliasGroupOf: createAliasGroups(keyring, policy.mailboxes),
    installationId: 'simulated',
    publicUrl: () => 'https://hush.example',
    sweepMs: SWEEP_MS,
    journalDisk: site.disk.of(owner),
  };
  const own = await createPreferences(base);
  const accept = promises.watched(own.accept, owner);
  const preferences = { ...own, accept };
  const readiness = await createReadiness(base, {
    replayJournal: preferences.replayJournal,
    correctClock: true,
  });
  const audit = createAudit({ ...base, publicUrl: 'https://hush.example', witnesses: [], sealMs: SEAL_MS });
  const sync = createSync({
    ...base,
    ...preferences,
    publicOnly: false,
    http: noHttp,
    forget: audit.forget,
    onSynced: nothing,
    onFault: nothing,
    onMissingKey: keyWatch.note,
    missingKeys: keyWatch.missing,
    onFound: nothing,
    times: SIMULATED_TIMES,
    settling: 1000,
    intervalMs: SWEEP_MS,
  });
  const feed = createChangeFeed({
    changes: stores.changes,
    contacts: stores.contacts,
    leader: stores.leaders.leaderFor('feed'),
    log: silent,
    machine,
    intervalMs: SEAL_MS,
  });
  await stores.configurations.enforce(setting.configuration);
  await preferences.replayJournal();
  readiness.start();
  preferences.projection.start();
  if (role === 'worker') {
    audit.sealing.start();
    for (const loop of [sync.sweeper, sync.evaluation, sync.reconciling, feed]) loop.start();
  }
  return {
    owner,
    ...preferences,
    readiness,
    stores,
    clock,
    machine,
    acts: createActs({ ...preferences, accept }),
    approvals: createApprovals({
      store: stores.staffApprovals,
      accept,
      contacts: stores.contacts,
      keyring,
      clock,
      machine,
    }),
    imports: createImports({ store: stores.imports, accept, keyring, clock, log: silent, machine }),
    sync,
    audit,
    feed,
  };
}

export type Parts = Awaited<ReturnType<typeof boot>>;

/**
 * A process that is started again whenever it ends, as by an orchestrator. `parts` is there while it runs; what it held in
 * memory is gone with each kill.
 */
export function createProcess(site: Site, name: string, role: Role) {
  const { world } = site;
  const clock: WrongClock = { ahead: 0 };
  let owner: Owner = { name, isAlive: false, pausedUntil: 0, stoodStill: false, cutOffUntil: 0 };
  let slot: Slot | undefined;
  let parts: Parts | undefined;
  let starts = 0;

  async function start(setting: Setting): Promise<void> {
    starts++;
    const own: Owner = { name: `${name}.${starts}`, isAlive: true, pausedUntil: 0, stoodStill: false, cutOffUntil: 0 };
    owner = own;
    slot = await takeSlot();
    world.note(`${own.name} starts`);
    try {
      const booted = await boot(site, own, role, setting, clock, slot);
      if (own.isAlive) parts = booted;
    } catch (error) {
      if (!own.isAlive) return;
      world.note(`${own.name} cannot start: ${String(error)}`);
      kill();
      world.after(1000, undefined, () => {
        if (!owner.isAlive) void start(site.setting);
      });
    }
  }

  function kill(): void {
    if (!owner.isAlive) return;
    owner.isAlive = false;
    parts = undefined;
    site.disk.lose(owner);
    if (slot) giveBackSlot(slot);
    slot = undefined;
    world.note(`${owner.name} is killed`);
  }

  return {
    name,
    role,
    clock,
    start,
    kill,
    isAlive: (): boolean => owner.isAlive,
    /** Undefined while it is down or starting. */
    parts: (): Parts | undefined => parts,
    owner: (): Owner => owner,
    /** Nothing reaches the database from it, while the others go on. */
    cutOff(ms: number): void {
      owner.cutOffUntil = Math.max(owner.cutOffUntil, world.now() + ms);
    },
    reconnect(): void {
      owner.cutOffUntil = 0;
    },
    pause(ms: number): void {
      owner.stoodStill = true;
      owner.pausedUntil = Math.max(owner.pausedUntil, world.now() + ms);
      world.note(`${owner.name} stands still for ${Math.round(ms)} ms`);
    },
  };
}

export type SimulatedProcess = ReturnType<typeof createProcess>;
