import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { types } from 'node:util';
import type { Environment } from './config/environment.js';
import { fingerprintsOf, refuseOtherSecrets } from './config/secrets.js';
import { AwayError, ConfigError } from './config/yaml-file.js';
import type { Machine } from './core/machine.js';
import { connectStore, keepsMajorities } from './store/connect.js';
import { openStores, type Stores } from './store/open.js';

const MONGODB_EXAMPLE = 'Write it as mongodb://user:password@host1,host2,host3/hush?replicaSet=rs0.';

/** Hosts of a URI, for messages: nothing that could be part of a password. */
function hostsOf(uri: string): string {
  const authority = /^[a-z+]+:\/\/([^/?]*)/.exec(uri)?.[1] ?? '';
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  return /^[\w.:,[\]-]+$/.test(hosts) ? hosts : 'the host in it';
}

const fieldOf = (error: unknown, name: string): unknown =>
  typeof error === 'object' && error !== null && name in error ? Reflect.get(error, name) : undefined;

/** What the driver says of a URI or a server that it cannot use, as one line that says what to set. */
export function mongoStartError(uri: string, error: unknown): unknown {
  const { name, message } = types.isNativeError(error) ? error : { name: '', message: '' };
  const code = fieldOf(error, 'code');
  if (/ServerSelection|MongoNetwork|MongoTimeout/.test(name) || code === 'ENOTFOUND' || code === 'ECONNREFUSED') {
    return new AwayError(
      `MONGODB_URI: no primary answers at ${hostsOf(uri)}. Start MongoDB there, correct the host, or check that replicaSet= names its set.`,
    );
  }
  if (code === 18 || code === 8000 || code === 13) {
    return new ConfigError(
      `MONGODB_URI: MongoDB at ${hostsOf(uri)} refuses its user. Correct user and password (and authSource=), and give the user readWrite on the database.`,
    );
  }
  if (
    /MongoParse|MongoInvalidArgument|MongoAPI|MongoRuntime|MongoMissing|MongooseError|TypeError|URIError/.test(name)
  ) {
    // Only what the driver says of an option is shown: the rest quotes pieces of the URI, which may hold a password.
    const why = /^options? [\w, ]{1,80} (is|are) not supported$/i.test(message) ? ` (${message})` : '';
    return new ConfigError(`MONGODB_URI is not the URI of a MongoDB${why}. ${MONGODB_EXAMPLE}`);
  }
  return error;
}

export interface OpenedStores {
  readonly stores: Stores;
  /** Of the database, made once. */
  readonly installationId: string;
}

/**
 * Opens the store of the environment. Throws ConfigError, one line, when it cannot be reached, is no replica set, or was
 * made with other secrets than ours.
 */
export async function openCheckedStores(
  environment: Pick<Environment, 'production' | 'keyring' | 'secretsFrom' | 'namespace'> & {
    readonly mongoUri: string;
  },
  machine: Machine,
): Promise<OpenedStores> {
  const { mongoUri, namespace, secretsFrom } = environment;
  const stores = await connectStore(mongoUri, namespace)
    .then((connection) => openStores(connection, machine))
    .catch((error: unknown) => {
      throw mongoStartError(mongoUri, error);
    });
  try {
    if (environment.production && !(await keepsMajorities(stores.connection))) {
      throw new ConfigError(
        `MONGODB_URI: MongoDB at ${hostsOf(mongoUri)} runs alone, so an opt-out it acknowledged can be lost with it. Start it with --replSet (three members) and add replicaSet= to the URI.`,
      );
    }
    const ours = fingerprintsOf(environment.keyring);
    // Compared first, so that a process with wrong secrets leaves nothing; and after, for those that start together.
    const recorded = await stores.installation.read();
    if (recorded) refuseOtherSecrets(secretsFrom, ours, recorded);
    const record = await stores.installation.register(ours);
    refuseOtherSecrets(secretsFrom, ours, record);
    await stores.migrations.run();
    return { stores, installationId: record.id };
  } catch (error) {
    await stores.close().catch(() => undefined);
    throw error;
  }
}

/** Makes the folder of a variable and checks that we may write there. Throws ConfigError that names the variable. */
export async function requireFolder(name: string, folder: string, mode?: number): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, ...(mode === undefined ? {} : { mode }) });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new ConfigError(
      `${name}=${folder} cannot be written (${String(fieldOf(error, 'code') ?? 'unknown')}). Name a folder that belongs to the user that runs Hush.`,
    );
  }
}

/** What the system says when a port cannot be had. Anything else is passed on. */
export function portError(name: string, port: number, error: unknown): unknown {
  const code = fieldOf(error, 'code');
  if (code === 'EADDRINUSE')
    return new ConfigError(`${name}=${port} is in use by another program. End that one, or write another port.`);
  if (code === 'EACCES')
    return new ConfigError(`${name}=${port} may not be opened by this user. Write a port above 1023.`);
  return error;
}
