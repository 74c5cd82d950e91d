import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportTo } from '../../src/cli/export.js';
import { type VerifyOptions, verifyFile, verifyLive } from '../../src/cli/verify.js';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { databaseUri, type Hush, startHush } from '../support/hush.js';
import { program } from '../support/process.js';
import { follow, makeCustomer } from '../web/staff/people.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
  await makeCustomer(hush, 'Ana');
  await follow(hush);
});
afterAll(() => hush?.stop());

const environment = {
  keyring: keyringFromSecret('a secret for tests that is long enough', machine.randomBytes),
  publicUrl: undefined,
};

/** The program as an operator runs it, on the store of the installation, in a process of its own: seconds each. */
function verifyProgram(...args: string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program('cli/hush'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...process.env,
      MONGODB_URI: databaseUri(hush.namespace),
      HUSH_SECRET: 'a secret for tests that is long enough',
      HUSH_NAMESPACE: hush.namespace,
      HUSH_DATA_DIR: hush.dir,
    },
  });
  return { code: status, out: stdout + stderr };
}

/** What the program does, in this process. */
async function verify(
  options: VerifyOptions & { readonly file?: string } = {},
): Promise<{ code: number; out: string }> {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const well =
    options.file === undefined
      ? await verifyLive(hush.hush.stores, environment, options, say)
      : await verifyFile(options.file, options, say);
  return { code: well ? 0 : 1, out: lines.join('\n') };
}
const inDir = (name: string) => path.join(hush.dir, name);

test('hush verify says that the record is whole, and names an entry that was changed in the database', async () => {
  expect(verifyProgram('verify')).toMatchObject({ code: 0, out: expect.stringContaining('The record is whole.') });
  const { collection } = hush.hush.stores.ledger;
  const row = await collection.findOne({ 'event.type': 'gpc_received' });
  await collection.updateOne({ id: row?.id }, { $set: { 'event.at': 1 } });
  const { code, out } = verifyProgram('verify');
  expect(code).toBe(1);
  expect(out).toContain(`changed: entry e_${row?.id} was changed after it was sealed`);
  expect(JSON.parse((await verify({ json: true })).out)).toMatchObject({
    ok: false,
    faults: [{ kind: 'changed', event: row?.id }],
  });
  await collection.updateOne({ id: row?.id }, { $set: { 'event.at': row?.event.at } });
  expect((await verify()).code).toBe(0);
});

test('hush export writes what hush verify accepts, with the key from elsewhere, packed or not', async () => {
  const vkeys = inDir('vkey');
  await writeFile(vkeys, await (await hush.get('/log/vkey')).text());
  for (const name of ['all.ndjson', 'all.ndjson.gz']) {
    expect(await exportTo(inDir(name), {}, hush.hush.stores, environment)).toBeGreaterThan(5);
    expect(await verify({ file: inDir(name), vkey: [vkeys] })).toMatchObject({
      code: 0,
      out: expect.stringContaining('The export is whole.'),
    });
  }
  const text = await readFile(inDir('all.ndjson'), 'utf8');
  expect(text).not.toContain('example.com');
  await writeFile(inDir('byte.ndjson'), text.replace('"consent_granted"', '"consent_grantee"'));
  const changed = await verify({ file: inDir('byte.ndjson'), vkey: [vkeys] });
  expect(changed.code).toBe(1);
  expect(changed.out).toMatch(/changed: entry e_[0-9A-Z-]{24} was changed/);
  expect((await verify({ file: inDir('all.ndjson') })).out).toContain('shows damage but no forgery');
});

test('what cannot be done says what to write', async () => {
  const period = { from: 'yesterday' };
  await expect(exportTo(inDir('x.ndjson'), period, hush.hush.stores, environment)).rejects.toThrow(
    'Write it as 2026-03-31',
  );
  await expect(verify({ file: inDir('nowhere.ndjson') })).rejects.toThrow('ENOENT');
  await expect(verify({ file: inDir('all.ndjson'), vkey: ['no key'] })).rejects.toThrow('There is no verifier key');
});

test('a checkpoint kept elsewhere shows that the end was cut off', async () => {
  const kept = inDir('checkpoint');
  await writeFile(kept, await (await hush.get('/log/checkpoint')).text());
  expect((await verify({ trusted: [kept] })).code).toBe(0);
  const { connection } = hush.hush.stores;
  const { size } = await hush.hush.stores.log.leaves.reached();
  // Nothing may seal while the test cuts.
  await hush.hush.sealing.stop();
  await connection.collection<{ _id: string }>('log_tree').updateOne({ _id: 'tree' }, { $set: { size: size - 1 } });
  const { code, out } = await verify({ trusted: [kept] });
  expect(code).toBe(1);
  expect(out).toContain('rolled_back:');
});
