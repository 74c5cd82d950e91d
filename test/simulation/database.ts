import { connectionLost, unconfirmed } from './mongo/faults.js';
import { createSimulatedMongo } from './mongo/server.js';
import type { Row } from './mongo/values.js';
import type { Owner, World } from './world.js';

/** How the way to the database is at the moment. */
export interface Network {
  /** Chance that a request, or its answer, is lost and the connection with it. */
  readonly loss: number;
  /** Longest (ms) that something on its way usually takes. */
  readonly usual: number;
  /** Chance that it takes up to `slow` ms. */
  readonly slowness: number;
  readonly slow: number;
  /** ms that a majority lags behind the primary, at most. */
  readonly lag: number;
}

export const GOOD: Network = { loss: 0, usual: 3, slowness: 0.02, slow: 60, lag: 4 };

const DATABASE = 'hush';
/** How long (ms) the driver looks for a primary: `serverSelectionTimeoutMS` of `src/store/connect.ts`. */
const SELECTION_MS = 1500;
/** Until a driver learns (ms) that a server that was the primary is none any more. */
const NOTICED_WITHIN_MS = 300;

interface Write {
  readonly position: number;
  readonly confirm: () => void;
  readonly lose: (error: Error) => void;
}

/** A command that says nothing else waits for a majority, as a replica set does by itself. */
function waitsForMajority({ writeConcern }: Row): boolean {
  if (typeof writeConcern !== 'object' || writeConcern === null || !('w' in writeConcern)) return true;
  return writeConcern.w === 'majority';
}

function wtimeoutOf({ writeConcern }: Row): number | undefined {
  const timeout =
    typeof writeConcern === 'object' && writeConcern !== null && 'wtimeout' in writeConcern ? writeConcern.wtimeout : 0;
  return typeof timeout === 'number' && timeout > 0 ? timeout : undefined;
}

/** The replica set, and what lies between it and the processes. */
export function createDatabase(world: World) {
  const server = createSimulatedMongo({ now: world.now });
  let network = GOOD;
  let primaryFrom = 0;
  let waiting: Write[] = [];
  let committed = 0;

  const travel = (): number =>
    world.happens(network.slowness) ? world.between(0, network.slow) : world.between(0.2, network.usual);

  function commit(position: number): void {
    if (position <= committed) return;
    committed = position;
    server.commit(position);
    const confirmed = waiting.filter((write) => write.position <= committed);
    waiting = waiting.filter((write) => write.position > committed);
    for (const write of confirmed) write.confirm();
  }

  /** A majority has it a little later, unless the primary is lost first. */
  function replicate(position: number, term: number): void {
    world.after(world.between(0.2, network.lag), undefined, () => {
      if (term === terms) commit(position);
    });
  }

  let terms = 0;

  return {
    server,

    /** Documents of a collection, as the primary has them. Not to be changed. */
    rows: <Kind>(collection: string): Kind[] => [...server.documents(DATABASE, collection)] as Kind[],
    /** The same as a majority has them. */
    committedRows: <Kind>(collection: string): Kind[] =>
      [...server.documents(DATABASE, collection, 'majority')] as Kind[],

    /** What is there by now was there before anything could go wrong. */
    begin: (): void => commit(server.head()),

    set(next: Network): void {
      network = next;
    },

    /** What a majority does not have is gone, and for `downMs` there is no primary. */
    failOver(downMs: number): void {
      world.note(`the primary is lost; ${waiting.length} writes were not acknowledged`);
      terms++;
      server.failover();
      committed = Math.min(committed, server.commitPoint());
      primaryFrom = world.now() + downMs;
      const cut = waiting;
      waiting = [];
      for (const write of cut) write.lose(connectionLost());
    },

    /** One command of a process: its answer, or what the driver's connection would throw. */
    send(owner: Owner, db: string, command: Row): Promise<Row> {
      return new Promise((resolve, reject) => {
        const fail = (error: Error, ms = travel()) => world.after(ms, owner, () => reject(error));
        const answer = (reply: Row) => {
          if (owner.cutOffUntil > world.now() || world.happens(network.loss)) fail(connectionLost());
          else world.after(travel(), owner, () => resolve(reply));
        };

        function arrive(lookedSince: number): void {
          const left = primaryFrom - world.now();
          if (left > 0) {
            const patience = lookedSince + SELECTION_MS - world.now();
            if (left < patience)
              world.after(left + world.between(0, NOTICED_WITHIN_MS), undefined, () => arrive(lookedSince));
            else fail(connectionLost(), Math.max(0, patience));
            return;
          }
          const { reply, position } = server.execute(db, command);
          world.trace(owner, command, reply);
          if (position === undefined) {
            answer(reply);
            return;
          }
          replicate(position, terms);
          if (position <= committed || !waitsForMajority(command)) {
            answer(reply);
            return;
          }
          const write: Write = { position, confirm: () => answer(reply), lose: (error) => fail(error) };
          waiting.push(write);
          const timeout = wtimeoutOf(command);
          if (timeout === undefined) return;
          world.after(timeout, undefined, () => {
            if (!waiting.includes(write)) return;
            waiting = waiting.filter((other) => other !== write);
            answer(unconfirmed(reply));
          });
        }

        if (owner.cutOffUntil > world.now() || world.happens(network.loss)) {
          fail(connectionLost());
          return;
        }
        world.after(travel(), undefined, () => arrive(world.now()));
      });
    },
  };
}

export type Database = ReturnType<typeof createDatabase>;
