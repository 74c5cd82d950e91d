import { contactKeyBytes } from '../../src/core/keys.js';
import { type Fault, HORIZON_MS, type Scenario } from './acts.js';
import { checkAcknowledged, checkAtQuiet, checkRoots, whatIsLeft } from './checks.js';
import { type Answer, type Clients, createClients } from './clients.js';
import { createDatabase, GOOD } from './database.js';
import { createDisk } from './disk.js';
import {
  AFTER_ROTATION,
  BEFORE_ROTATION,
  DURING_ROTATION,
  FIRST,
  HEX,
  install,
  POINTS,
  PROVIDERS,
  policy,
  RECONFIGURED,
  type Setting,
} from './installation.js';
import { createProcess, type SimulatedProcess, type Site } from './process.js';
import { Broken, createPromises } from './promises.js';
import { createProvider, WELL } from './provider.js';
import { createWorld, EPOCH, type World, type WorldOptions } from './world.js';

/** Simulated ms after the last fault within which everything has to come to rest. */
const REST_WITHIN_MS = 120_000;
/** Steps between two looks at whether everything acknowledged is still there. */
const LOOK_EVERY = 100;
const CONFIRM_MS = 500;
/** From the last act or fault (ms) until everything is made well. */
const LATER_MS = 700;
/** Between two processes (ms) that are started again. */
const ROLL_OUT_MS = 1100;
/** Between two looks (ms) of a reader at the change feed. */
const READ_FEED_MS = 2000;
/** Between two probes (ms) of a balancer. */
const PROBE_MS = 900;

export interface Outcome {
  /** What went wrong; absent when nothing did. */
  readonly broken?: Error;
  readonly steps: number;
  /** Simulated ms. */
  readonly took: number;
  /** The same for every run of a scenario. */
  readonly digest: number;
}

interface RunningSite extends Site {
  readonly processes: SimulatedProcess[];
  /** ms */
  forgetsJobsUntil: number;
  /** How many faults of a kind there were. */
  readonly faults: Map<string, number>;
}

function createSite(world: World, onBroken: (error: Error) => void): RunningSite {
  const disk = createDisk(world);
  const promises = createPromises(world, {
    policy,
    keyOf: ({ subject }) =>
      ('point' in subject ? contactKeyBytes(BEFORE_ROTATION, subject.point) : subject.key).toString('hex'),
    journaled: disk.eventIds,
  });
  const processes: SimulatedProcess[] = [];
  let started = 0;
  const site: RunningSite = {
    world,
    database: createDatabase(world),
    providers: PROVIDERS.map((settings) =>
      createProvider(world, settings, {
        foreignLifted(binding, address, saidAt) {
          if (promises.saidYesSince(HEX[POINTS.findIndex(({ given }) => given === address)] ?? '', saidAt)) return;
          onBroken(new Broken(`${address} unsubscribed from ${binding} at ${settings.name}, and that was lifted`));
        },
        calledAtOnce(address, [one, other]) {
          // Not thrown: the program would take it for a fault of its adapter.
          onBroken(new Broken(`${one.name} and ${other.name} both send ${address} to ${settings.name} at once`));
        },
      }),
    ),
    disk,
    nextProcess: () => ++started,
    promises,
    processes,
    setting: FIRST,
    publishedRoots: new Map<number, string>(),
    isWell: false,
    forgetsJobsUntil: 0,
    rollsOutUntil: 0,
    faults: new Map(),
    wake(queue: string): void {
      if (world.now() < site.forgetsJobsUntil) return;
      world.after(world.between(0.5, 20), undefined, () => {
        const running = processes.filter((one) => one.role === 'worker' && one.parts());
        const worker = running[world.integer(running.length)];
        if (!worker || !queue.startsWith('sync-')) return;
        world.after(
          0,
          worker.owner(),
          () => void worker.parts()?.sync.syncDue(queue.slice('sync-'.length), () => undefined),
        );
      });
    },
  };
  return site;
}

/** From now on processes are started with another setting, and those that run are started again, one after the other. */
function rollOut(site: RunningSite, change: Partial<Setting>, each: (process: SimulatedProcess) => void): void {
  site.setting = { ...site.setting, ...change };
  site.rollsOutUntil = site.world.now() + (site.processes.length + 1) * ROLL_OUT_MS;
  for (const [index, process] of site.processes.entries())
    site.world.after(index * ROLL_OUT_MS, undefined, () => each(process));
}

function cause(site: RunningSite, fault: Fault): void {
  const { world, database, processes } = site;
  const isOver = (ms: number, end: () => void) => world.after(ms, undefined, end);
  /** Of faults of one kind that overlap the last ends them. */
  const endsLast = (kind: string, ms: number, end: () => void) => {
    const number = (site.faults.get(kind) ?? 0) + 1;
    site.faults.set(kind, number);
    isOver(ms, () => {
      if (site.faults.get(kind) === number) end();
    });
  };
  const processOf = (index: number): SimulatedProcess => processes[index % processes.length] as SimulatedProcess;
  const restart = (process: SimulatedProcess, ms: number) => {
    process.kill();
    isOver(ms, () => {
      if (!process.isAlive()) void process.start(site.setting);
    });
  };
  world.note(`fault: ${JSON.stringify(fault)}`);
  switch (fault.kind) {
    case 'kill':
      restart(processOf(fault.process), fault.downMs);
      return;
    case 'pause':
      processOf(fault.process).pause(fault.forMs);
      return;
    case 'cut_off':
      processOf(fault.process).cutOff(fault.forMs);
      return;
    case 'disk':
      site.disk.fail(fault.chance);
      endsLast('disk', fault.forMs, () => site.disk.fail(0));
      return;
    case 'fail_over':
      database.failOver(fault.downMs);
      checkAcknowledged(site);
      return;
    case 'network':
      database.set({ ...GOOD, loss: fault.loss, slowness: fault.slowness, slow: fault.slow, lag: fault.lag });
      endsLast('network', fault.forMs, () => database.set(GOOD));
      return;
    case 'provider': {
      const provider = site.providers[fault.provider];
      provider?.behave(fault.mood);
      endsLast(`provider ${fault.provider}`, fault.forMs, () => provider?.behave(WELL));
      return;
    }
    case 'clock':
      processOf(fault.process).clock.ahead += fault.byMs;
      return;
    case 'forget_jobs':
      site.forgetsJobsUntil = world.now() + fault.forMs;
      return;
    case 'rotate':
      if (site.setting.roots !== BEFORE_ROTATION) return;
      if (fault.carelessly) {
        rollOut(site, { roots: AFTER_ROTATION }, (process) => restart(process, 100));
        return;
      }
      rollOut(site, { roots: DURING_ROTATION }, (process) => restart(process, 100));
      site.rollsOutUntil += processes.length * ROLL_OUT_MS;
      isOver(processes.length * ROLL_OUT_MS, () =>
        rollOut(site, { roots: AFTER_ROTATION }, (process) => restart(process, 100)),
      );
      return;
    case 'reconfigure':
      rollOut(site, RECONFIGURED, (process) => restart(process, 100));
  }
}

/** Everything is well again, and every process runs. */
function heal(site: RunningSite): void {
  const { world, database, providers, processes } = site;
  world.note('everything is well again');
  database.set(GOOD);
  site.disk.fail(0);
  site.isWell = true;
  site.forgetsJobsUntil = 0;
  for (const provider of providers) provider.behave(WELL);
  const goesOn = world.happens(0.5);
  for (const process of processes) {
    process.reconnect();
    process.clock.ahead = Math.max(-200, Math.min(200, process.clock.ahead));
    // Often those that run go on, with whatever they have in memory.
    if (process.isAlive() && goesOn) continue;
    process.kill();
    void process.start(site.setting);
  }
}

/** Runs a scenario to its rest. */
export async function runScenario(scenario: Scenario, options: WorldOptions = {}): Promise<Outcome> {
  const world = createWorld(scenario.chance, options);
  let broken: Error | undefined;
  const onBroken = (error: Error) => {
    broken ??= error;
  };
  const site = createSite(world, onBroken);
  const checking = (check: () => void) => {
    try {
      check();
    } catch (error) {
      onBroken(error instanceof Error ? error : new Error(String(error)));
    }
  };
  try {
    await install((db, command) => site.database.server.execute(db, command));
    site.database.begin();
    const webs = Array.from({ length: scenario.webs }, (_, n) => createProcess(site, `web${n + 1}`, 'web'));
    const workers = Array.from({ length: scenario.workers }, (_, n) => createProcess(site, `worker${n + 1}`, 'worker'));
    site.processes.push(...webs, ...workers);
    for (const process of site.processes) void process.start(site.setting);
    const clients: Clients = createClients(site, webs, onBroken);
    for (const [index, act] of scenario.acts.entries())
      world.at(EPOCH + 300 + act.at, undefined, () => clients.begin(act, index));
    for (const fault of scenario.faults)
      world.at(EPOCH + 300 + fault.at, undefined, () => checking(() => cause(site, fault)));
    const horizon = Math.min(
      HORIZON_MS,
      LATER_MS + Math.max(...[...scenario.acts, ...scenario.faults].map(({ at }) => at)),
    );
    for (let at = READ_FEED_MS; at < horizon; at += READ_FEED_MS) world.at(EPOCH + at, undefined, clients.readFeed);
    for (let at = PROBE_MS; at < horizon; at += PROBE_MS) world.at(EPOCH + at, undefined, clients.probe);
    world.at(EPOCH + horizon + 300, undefined, () => heal(site));

    const goUntil = async (isDone: () => boolean, until: number): Promise<boolean> => {
      for (let look = world.now(); !broken; ) {
        if (world.now() >= look) {
          if (isDone()) return true;
          look = world.now() + CONFIRM_MS;
        }
        if (!(await world.step(until))) return isDone();
        if (world.steps() % LOOK_EVERY === 0)
          checking(() => {
            checkAcknowledged(site);
            checkRoots(site);
          });
      }
      return false;
    };
    await goUntil(() => false, EPOCH + horizon + 400);
    const isAtRest = () => clients.atWork() === 0 && whatIsLeft(site) === undefined;
    const rests = async (until: number) => {
      if ((await goUntil(isAtRest, until)) || broken) return;
      throw new Broken(`no rest after ${REST_WITHIN_MS / 1000} s: ${whatIsLeft(site) ?? 'a client waits'}`);
    };
    await rests(world.now() + REST_WITHIN_MS);
    if (!broken) {
      clients.begin({ at: 0, kind: 'reconcile' }, -1);
      await rests(world.now() + REST_WITHIN_MS);
    }
    let answers: readonly Answer[] | undefined;
    if (!broken) {
      clients.askEverything((all) => {
        answers = all;
      });
      await rests(world.now() + REST_WITHIN_MS);
    }
    if (!broken) checking(() => checkAtQuiet(site, world.now(), answers));
  } catch (error) {
    onBroken(error instanceof Error ? error : new Error(String(error)));
  }
  for (const process of site.processes) process.kill();
  return {
    ...(broken ? { broken } : {}),
    steps: world.steps(),
    took: world.now() - EPOCH,
    digest: world.digest(),
  };
}
