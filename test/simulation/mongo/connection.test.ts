import { beforeEach, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { isUnavailable } from '../../../src/store/connect.js';
import { createContacts } from '../../../src/store/contacts.js';
import { openStores } from '../../../src/store/open.js';
import { keyOf, optOut } from '../../store/contact-setting.js';
import { simulatedConnection } from './connection.js';
import type { Line, Send } from './driver.js';
import { connectionLost, noAnswer, notPrimary, unconfirmed } from './faults.js';
import { objectIds } from './object-ids.js';
import { createSimulatedMongo, type SimulatedMongo } from './server.js';

const NOW = 1_700_000_000_000;

let server: SimulatedMongo;
let sent: string[];
const direct: Send = async (db, command) => {
  sent.push(Object.keys(command)[0] ?? '');
  return server.execute(db, command).reply;
};
/** Once, for one command of a name; everything else goes its way. */
const onceAt =
  (name: string, fault: (work: () => ReturnType<Send>) => ReturnType<Send>): Send =>
  (db, command) => {
    if (!(name in command) || sent.includes(`fault ${name}`)) return direct(db, command);
    sent.push(`fault ${name}`);
    return fault(() => direct(db, command));
  };

const line: Line = { send: direct, createId: objectIds(() => NOW, 1) };
const connection = simulatedConnection(line);
const contacts = createContacts(connection, machine);
beforeEach(() => {
  server = createSimulatedMongo({ now: () => NOW });
  line.send = direct;
  sent = [];
});

test('the stores work on it, also a second time on the same connection', async () => {
  const stores = await openStores(connection, machine);
  expect(await stores.contacts.append([optOut(1), optOut(1)])).toEqual(['appended', 'busy']);
  const again = await openStores(connection, machine);
  expect(await again.contacts.get(keyOf(1))).toMatchObject({ pending: [optOut(1).event] });
});

test('what a client was given it may change: the server keeps its own', async () => {
  await contacts.append([optOut(1)]);
  const contact = await contacts.get(keyOf(1));
  contact?.pending[0]?.sealed?.fill(0);
  contact?.key.fill(0);
  expect(await contacts.get(keyOf(1))).toMatchObject({ key: keyOf(1), pending: [optOut(1).event] });
});

test('the driver sends a write again when the answer is lost, and it is not done twice', async () => {
  await contacts.append([optOut(1)]);
  line.send = onceAt('update', async (work) => {
    await work();
    throw connectionLost();
  });
  await contacts.appendOverflow([optOut(1, 'e_2')]);
  expect(sent.filter((one) => one === 'update')).toHaveLength(4);
  expect((await contacts.get(keyOf(1)))?.pending.map(({ id }) => id)).toEqual(['e_1', 'e_2']);
});

test('the driver sends a write again when the server is not the primary any more', async () => {
  line.send = onceAt('insert', async () => notPrimary());
  const raw = connection.collection('other');
  await raw.insertMany([{ a: 1 }]);
  expect(sent).toEqual(['fault insert', 'insert']);
  expect(server.documents('hush', 'other')).toHaveLength(1);
});

test('a write that no majority had in time is an error, and is there all the same', async () => {
  line.send = async (db, command) => unconfirmed(await direct(db, command));
  const error = await contacts.append([optOut(1)]).catch((one: unknown) => one);
  expect(isUnavailable(error)).toBe(true);
  line.send = direct;
  expect(await contacts.get(keyOf(1))).toBeDefined();
});

test('a server that says nothing is one that cannot be reached', async () => {
  line.send = async () => {
    throw noAnswer();
  };
  const error = await contacts.append([optOut(1)]).catch((one: unknown) => one);
  expect(isUnavailable(error)).toBe(true);
});

test('reads go on from batch to batch', async () => {
  const raw = connection.collection<{ _id: number }>('other');
  await raw.insertMany(Array.from({ length: 250 }, (_, at) => ({ _id: at })));
  expect(await raw.find({ _id: { $gte: 10 } }).toArray()).toHaveLength(240);
  expect(sent).toEqual(['insert', 'find', 'getMore']);
});

test('ids of documents are the same in every run', async () => {
  line.createId = objectIds(() => NOW, 2);
  await connection.collection('other').insertMany([{ a: 1 }, { a: 2 }]);
  const ids = server.documents('hush', 'other').map(({ _id }) => String(_id));
  expect(ids).toEqual(['6553f1000000000200000001', '6553f1000000000200000002']);
});
