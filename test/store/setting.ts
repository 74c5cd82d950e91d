import { randomBytes } from 'node:crypto';
import type { CommandStartedEvent } from 'mongodb';
import type { Connection } from 'mongoose';
import { connectStore } from '../../src/store/connect.js';

const WRITES = ['insert', 'update', 'delete', 'findAndModify'];

/** A connection to an empty database of its own, and what was sent over it. */
export interface StoreSetting {
  readonly connection: Connection;
  /** Puts a document into a collection as it is, past schema and store: how an older version wrote it. */
  put(collection: string, ...documents: readonly object[]): Promise<void>;
  /** The documents of a collection as they are stored. */
  all(collection: string): Promise<Record<string, unknown>[]>;
  /** The collections written to during `work`, each with `durable` or not: `api_keys durable`. */
  writesOf(work: () => Promise<unknown>): Promise<string[]>;
  /** The commands sent during `work`: `find contacts`. */
  commandsOf(work: () => Promise<unknown>): Promise<string[]>;
  close(): Promise<void>;
}

/** Opens a database as the program does. One for each test file: it takes some 50 ms. */
export async function openStoreSetting(): Promise<StoreSetting> {
  const uri = new URL((process.env.MONGODB_URI ?? '').replace(/^mongodb:/, 'http:'));
  uri.pathname = `/store_${randomBytes(6).toString('hex')}`;
  uri.searchParams.set('monitorCommands', 'true');
  const connection = await connectStore(uri.href.replace(/^http:/, 'mongodb:'), 'hush');
  const sent: CommandStartedEvent[] = [];
  connection.getClient().on('commandStarted', (event) => sent.push(event));
  return {
    connection,
    async put(collection, ...documents) {
      await connection.collection(collection).insertMany([...documents]);
    },
    all: (collection) => connection.collection(collection).find().sort({ _id: 1 }).toArray(),
    async writesOf(work) {
      const first = sent.length;
      await work();
      return sent
        .slice(first)
        .filter(({ commandName }) => WRITES.includes(commandName))
        .map(({ command, commandName }) => {
          const { w, j } = command.writeConcern ?? {};
          return `${command[commandName]} ${w === 'majority' && j === true ? 'durable' : 'not durable'}`;
        });
    },
    async commandsOf(work) {
      const first = sent.length;
      await work();
      return sent.slice(first).map(({ command, commandName }) => `${commandName} ${command[commandName]}`);
    },
    async close() {
      await connection.dropDatabase();
      await connection.destroy();
    },
  };
}
