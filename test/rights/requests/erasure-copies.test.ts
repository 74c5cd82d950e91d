import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../../src/core/keys.js';
import { createCipher } from '../../../src/core/seal.js';
import { machine } from '../../../src/machine.js';
import { fileDestination, type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ERASED = 'ines.copied@example.com';
const OTHER = 'otto.stays@example.com';

let hush: Hush;
const hashed = {
  name: 'hashed',
  adapter: 'file',
  role: 'third_party',
  settings: { folder: 'hashed', format: 'csv', hash: 'sha256' },
  bindings: [{ name: 'offers', ...SCOPE }],
};
beforeAll(async () => {
  hush = await startHush({ destinations: [fileDestination, hashed], workerTimes: { reassertAfter: 500 } });
});
afterAll(() => hush?.stop());

async function say(email: string, type: string, more: object = {}): Promise<void> {
  await hush.ask('/v1/events', { events: [{ contact: { email }, type, source: { kind: 'api' }, ...more }] });
  await hush.settle();
}

/** Suppression files by name, those under a hidden name too. */
async function files(name = 'suppressions'): Promise<Map<string, string>> {
  const folder = path.join(hush.dir, name);
  const names = (await readdir(folder)).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')] as const)),
  );
}

/** Sealed values anywhere in the store that this installation can open, and that are not under a contact's own key. */
async function openable(): Promise<string[]> {
  const keyring = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
  const [ingest, outbox] = [createCipher(keyring, 'ingest'), createCipher(keyring, 'outbox')];
  const db = hush.hush.stores.connection.db;
  const contacts = await db?.collection('contacts').find({}, { promoteBuffers: true }).toArray();
  const keys = (contacts ?? []).map(({ _id }) => _id as unknown as Buffer);
  const opened: string[] = [];
  for (const { name } of (await db?.listCollections().toArray()) ?? []) {
    for (const row of (await db?.collection(name).find({}, { promoteBuffers: true }).toArray()) ?? []) {
      const visit = (value: unknown): void => {
        // What does not begin with the id of our one root key is not sealed by the installation.
        if (Buffer.isBuffer(value) && value[0] === keyring.current) {
          const plain = [
            ...keys.map((key) => ingest.open(value, key)),
            outbox.open(value, Buffer.from(String(row._id))),
          ];
          for (const text of plain) if (text) opened.push(`${name}: ${text.toString('utf8')}`);
        } else if (value !== null && typeof value === 'object' && !Buffer.isBuffer(value))
          Object.values(value).forEach(visit);
      };
      visit(row);
    }
  }
  return opened;
}

test('an erasure finds every copy of the address: files, sign-ups, mails that were given up, the mailbox', async () => {
  const { stores, outbox, sweeper } = hush.hush;
  for (const email of [ERASED, OTHER]) {
    await say(email, 'opted_out', { scope: SCOPE });
    await say(email, 'opted_in', { scope: SCOPE });
    await say(email, 'opted_out', { scope: SCOPE });
    await hush.ask('/v1/consents', {
      ...SCOPE,
      contact: { email },
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1' },
      evidence: { formUrl: `https://example.com/?who=${email}` },
    });
    // A mail that is of no use any more is given up, and kept for a week.
    await outbox.enqueue({
      id: `late:${email.slice(0, 4)}`,
      template: 'your-link',
      language: 'en',
      brand: 'jmf',
      to: email,
      values: { link: 'https://example.com/' },
      until: 1,
    });
  }
  await outbox.settle();
  const before = await openable();
  for (const where of ['confirmations', 'outbox'])
    expect(before.filter((text) => text.startsWith(where) && text.includes(ERASED))).toHaveLength(1);
  expect((await stores.mailbox.list()).map(({ to }) => to).sort()).toEqual([ERASED, OTHER]);
  // How many batches it went out in is the worker's affair.
  const deltasWith = (email: string, all: ReadonlyMap<string, string>) =>
    [...all].filter(([name, text]) => name.includes('.delta.') && text.includes(email)).length;
  expect(deltasWith(ERASED, await files())).toBeGreaterThanOrEqual(3);
  const deltasOfOther = deltasWith(OTHER, await files());

  await say(ERASED, 'erased');
  await until(async () => {
    await hush.settle();
    await sweeper.once();
    const left = await openable();
    const { keyed } = { keyed: (await stores.contacts.page(undefined, 10)).filter(({ keyedOnly }) => keyedOnly) };
    return keyed.length === 1 && !left.some((text) => text.includes(ERASED));
  });
  await until(async () => !(await stores.mailbox.list()).some(({ to }) => to === ERASED));

  const found = await files();
  const holding = (email: string) => [...found].flatMap(([name, text]) => (text.includes(email) ? [name] : []));
  // Whoever reads the list goes on suppressing the address: it is in the list in force and nowhere else.
  expect(holding(ERASED).filter((name) => !name.includes('.full.'))).toEqual([]);
  expect(found.get('offers.full.ndjson')).toContain(ERASED);
  const hash = createHash('sha256').update(ERASED).digest('hex');
  const hashes = [...(await files('hashed'))].flatMap(([name, text]) => (text.includes(hash) ? [name] : []));
  expect(hashes).toContain('offers.full.csv');
  expect(hashes.filter((name) => !name.includes('.full.'))).toEqual([]);
  expect(deltasWith(OTHER, found)).toBeGreaterThanOrEqual(deltasOfOther);
  expect(await hush.decide({ email: ERASED })).toMatchObject({ allowed: false, reason: 'erased' });

  // Of somebody else nothing is gone.
  const after = await openable();
  expect(after.filter((text) => text.includes(OTHER)).sort()).toEqual(
    before.filter((text) => text.includes(OTHER)).sort(),
  );
  expect((await stores.mailbox.list()).map(({ to }) => to)).toEqual([OTHER]);
});

test('a mail that waits when its recipient is erased is kept until it is sent or given up, and not a day longer', async () => {
  const { stores } = hush.hush;
  const { outbox } = stores;
  const contact = Buffer.alloc(16, 7);
  const created = new Date();
  const mail = { contact, template: 'answer', language: 'en', brand: 'jmf', sealed: Buffer.from('sealed'), created };
  await hush.hush.outbox.stop();
  for (const id of ['sent', 'given-up']) await outbox.insert({ ...mail, id });
  await outbox.forget([contact]);
  const lease = new Date(created.getTime() + 60_000);
  const taken = [await outbox.take('me', created, lease), await outbox.take('me', created, lease)];
  for (const one of taken) {
    expect(one?.sealed.toString()).toBe('sealed');
    if (one?.id === 'sent') await outbox.sent(one, created);
    else if (one) await outbox.park(one, created, 'refused');
  }
  const rows = await stores.connection.collection('outbox').find({ contact }).toArray();
  expect(rows).toMatchObject([{ _id: 'given-up', reason: 'refused' }]);
  expect(rows[0]).not.toHaveProperty('sealed');
  expect(await outbox.release(created, 'refused')).toBe(0);
});
