import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { createLogSigner } from '../../src/audit/log-keys.js';
import { createLogSealer } from '../../src/audit/sealer.js';
import { createClock } from '../../src/core/clock.js';
import { eventId, type Keyring, keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { connectStore } from '../../src/store/connect.js';
import { createLeaders } from '../../src/store/leader.js';
import { createLedger, type LedgerEntry } from '../../src/store/ledger.js';
import { createLogStores, type LogStores } from '../../src/store/log-stores.js';
import { databaseUri, useDatabase } from '../support/databases.js';

export const ORIGIN = 'hush.example/log';
export const silent = pino({ level: 'silent' });

/** A database of its own in the test's MongoDB. */
export async function openStores() {
  const database = useDatabase();
  const connection = await connectStore(databaseUri(database.name), database.name);
  const ledger = createLedger(connection);
  const leaders = createLeaders(connection, machine);
  const stores = createLogStores(connection, ledger, machine);
  for (const model of [...ledger.models, ...leaders.models, ...stores.models]) await model.createIndexes();
  return {
    connection,
    ledger,
    leaders,
    stores,
    async close() {
      await connection.close();
      await database.leave();
    },
  };
}

/** An installation with a clock that can be set. */
export async function openInstallation(
  keyring: Keyring = keyringFromSecret('a secret of the tests', machine.randomBytes),
) {
  const opened = await openStores();
  const time = { now: Date.UTC(2026, 2, 3) };
  const clock = createClock(() => time.now);
  const numbers = new Map<string, number>();
  const signer = createLogSigner({ keyring, origin: ORIGIN, checkpoints: opened.stores.checkpoints, clock });
  const parts = { stores: opened.stores, signer, clock, machine, log: silent };

  function entry(key: Buffer, fields: Partial<LedgerEntry['event']> = {}): LedgerEntry {
    const hex = key.toString('hex');
    const number = (numbers.get(hex) ?? 0) + 1;
    numbers.set(hex, number);
    return {
      key,
      number,
      event: {
        id: eventId(keyring, key),
        type: 'opted_out',
        at: time.now,
        recorded: clock.recorded(),
        source: { kind: 'one_click' },
        scope: { brand: 'jmf', channel: 'email', purpose: 'marketing', topic: '*' },
        ...fields,
      },
    };
  }

  return {
    ...opened,
    keyring,
    time,
    clock,
    signer,
    parts,
    entry,
    /** Records events of one contact, or of a contact each. */
    async record(count: number, key?: Buffer): Promise<LedgerEntry[]> {
      const entries = Array.from({ length: count }, () => entry(key ?? randomBytes(16)));
      await opened.ledger.insert(entries);
      return entries;
    },
    sealer: (stores: LogStores = opened.stores) => createLogSealer({ ...parts, stores }),
    verification: () => ({
      stores: opened.stores,
      ledger: opened.ledger,
      verifiers: signer.verifiers,
      now: time.now + 3_600_000,
    }),
  };
}

export type Installation = Awaited<ReturnType<typeof openInstallation>>;
