import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exportPeriod } from '../../src/audit/export.js';
import { createForget, publishedNote } from '../../src/audit/proofs.js';
import { type Fault, type Progress, verifyLedger } from '../../src/audit/verify.js';
import { verifyExport } from '../../src/audit/verify-export.js';
import { createNoteSigner } from '../../src/core/note.js';
import type { LedgerEntry } from '../../src/store/ledger.js';
import { type Installation, openInstallation } from './installation.js';

let hush: Installation;
let entries: LedgerEntry[];
let folder: string;
const hers = randomBytes(16);

beforeEach(async () => {
  hush = await openInstallation();
  folder = await mkdtemp(join(tmpdir(), 'hush-verify-'));
  const sealer = hush.sealer();
  await sealer.round();
  entries = await hush.record(300);
  await sealer.round();
  entries.push(...(await hush.record(3, hers)));
  await sealer.round();
});
afterEach(async () => {
  await hush.close();
  await rm(folder, { recursive: true, force: true });
});

const id = (at: number) => entries[at]?.event.id ?? 'none';
const leafRows = () => hush.connection.collection<{ _id: number }>('log_entries');
const kindsAndEvents = (faults: readonly Fault[]) => faults.map(({ kind, event }) => `${kind} ${event}`);
const faults = async () => kindsAndEvents((await verifyLedger(hush.verification())).faults);

describe('verifying the live record', () => {
  test('a record nobody touched is in order, with progress to the end', async () => {
    const seen: Progress[] = [];
    const report = await verifyLedger(hush.verification(), (progress) => seen.push(progress));
    expect(report).toEqual({ ok: true, size: 303, entries: 303, emptied: 0, checkpoints: 3, waiting: 0, faults: [] });
    expect(seen.at(-1)).toEqual({ done: 303, total: 303 });
  });

  test.each([
    ['its scope', { 'event.scope.brand': 'shipping' }],
    ['its time', { 'event.at': 1 }],
    ['its sealed evidence', { 'event.sealed': Buffer.from('other evidence') }],
    ['a field that it did not have', { 'event.lifts': 'any' }],
  ])('an entry changed in %s is named', async (_what, change) => {
    await hush.ledger.collection.updateOne({ id: id(7) }, { $set: change });
    expect(await faults()).toEqual([`changed ${id(7)}`]);
  });

  test('an entry given to another contact is named', async () => {
    await hush.ledger.collection.updateOne({ id: id(7) }, { $set: { contact: randomBytes(16) } });
    expect(await faults()).toEqual([`missing ${id(7)}`, `unsealed ${id(7)}`]);
  });

  test('a removed entry is named', async () => {
    await hush.ledger.collection.deleteOne({ id: id(200) });
    expect(await faults()).toEqual([`missing ${id(200)}`]);
    expect((await verifyLedger(hush.verification())).ok).toBe(false);
  });

  test('entries of one contact in another order are named', async () => {
    await hush.ledger.collection.updateOne({ id: id(300) }, { $set: { number: 9 } });
    await hush.ledger.collection.updateOne({ id: id(301) }, { $set: { number: 1 } });
    await hush.ledger.collection.updateOne({ id: id(300) }, { $set: { number: 2 } });
    const report = await verifyLedger(hush.verification());
    expect(kindsAndEvents(report.faults)).toEqual([`reordered ${id(300)}`, `reordered ${id(301)}`]);
    expect(report.faults[0]?.says).toContain('was number 1 of its contact');
  });

  test('an entry added past the log is named, a fresh one only counted', async () => {
    const [forged] = await hush.record(1);
    expect(await verifyLedger({ ...hush.verification(), now: hush.time.now + 1000 })).toMatchObject({
      ok: true,
      waiting: 1,
    });
    expect(await faults()).toEqual([`unsealed ${forged?.event.id}`]);
  });

  test('a destroyed salt that no erasure names is a fault', async () => {
    await leafRows().updateOne({ _id: 5 }, { $unset: { salt: '' }, $set: { emptiedBy: 299 } });
    const [name] = await faults();
    expect(name).toMatch(/^changed /);
  });

  test.each([
    ['in a full tile', 5],
    ['in the partial tile', 290],
  ])('a changed leaf is named, %s', async (_where, index) => {
    const [row] = await hush.stores.leaves.range(index, index + 1);
    const entry = Buffer.from(row?.entry ?? '');
    entry.writeUInt8(entry.readUInt8(40) ^ 1, 40);
    await leafRows().updateOne({ _id: index }, { $set: { entry } });
    expect(await faults()).toContain(`changed ${row?.event}`);
    expect((await faults()).length).toBe(2);
  });

  test('a removed leaf is named by its place, and its entry', async () => {
    const [row] = await hush.stores.leaves.range(5, 6);
    await leafRows().deleteOne({ _id: 5 });
    expect(await faults()).toEqual(['leaf undefined', `unsealed ${row?.event}`]);
  });

  test('two leaves exchanged are named with the place where they belong', async () => {
    const rows = await hush.stores.leaves.range(5, 7);
    await leafRows().deleteMany({ _id: { $in: [5, 6] } });
    await hush.stores.leaves.append(rows.map((row, at) => ({ ...row, index: 6 - at })).reverse());
    const report = await verifyLedger(hush.verification());
    expect(report.faults.map(({ says }) => says)).toEqual([
      `leaf 5 (e_${rows[1]?.event}) belongs at 6`,
      `leaf 6 (e_${rows[0]?.event}) belongs at 5`,
    ]);
  });

  test('leaves exchanged where there is no tile yet do not give the signed root', async () => {
    const rows = await hush.stores.leaves.range(300, 302);
    await leafRows().deleteMany({ _id: { $in: [300, 301] } });
    await hush.stores.leaves.append(rows.map((row, at) => ({ ...row, index: 301 - at })).reverse());
    const report = await verifyLedger(hush.verification());
    expect(report.faults.map(({ kind }) => kind)).toEqual(['root']);
    for (const { event } of rows) expect(report.faults[0]?.says).toContain(event);
  });

  test('a tile made to fit a changed leaf does not give the signed root', async () => {
    const [tile] = await hush.stores.leaves.readTiles([{ level: 0, index: 0, width: 256 }]);
    const hashes = Buffer.from(tile ?? '');
    hashes.writeUInt8(hashes.readUInt8(0) ^ 1, 0);
    await hush.connection.collection<{ _id: string }>('log_tiles').updateOne({ _id: '0/0' }, { $set: { hashes } });
    expect((await verifyLedger(hush.verification())).faults.map(({ kind }) => kind)).toEqual(['leaf', 'root']);
  });

  test('a checkpoint that somebody else signed is named', async () => {
    const other = createNoteSigner('hush.example/log', Buffer.alloc(32, 1));
    const latest = await hush.stores.checkpoints.latest();
    const text = latest?.note.split('\n\n')[0];
    const note = `${text}\n\n— hush.example/log ${Buffer.concat([other.verifier.keyId, other.sign(`${text}\n`).signature]).toString('base64')}\n`;
    await hush.connection.collection<{ _id: number }>('log_checkpoints').updateOne({ _id: 303 }, { $set: { note } });
    expect((await verifyLedger(hush.verification())).faults.map(({ kind }) => kind)).toEqual(['signature']);
  });

  test('leaves and checkpoints cut off together show only against a checkpoint kept elsewhere', async () => {
    const latest = await hush.stores.checkpoints.latest();
    const trusted = latest ? [publishedNote(latest)] : [];
    const old = await hush.stores.checkpoints.ofSize(300);
    await leafRows().deleteMany({ _id: { $gte: 300 } });
    await hush.ledger.collection.deleteMany({ id: { $in: [id(300), id(301), id(302)] } });
    await hush.connection.collection<{ _id: number }>('log_checkpoints').deleteMany({ _id: { $gt: 300 } });
    await hush.connection
      .collection<{ _id: string }>('log_tree')
      .updateOne({ _id: 'tree' }, { $set: { size: 300, root: old?.root } });
    expect(await faults()).toEqual([]);
    const report = await verifyLedger({ ...hush.verification(), trusted });
    expect(report.faults.map(({ kind }) => kind)).toEqual(['rolled_back']);
  });
});

describe('exports', () => {
  const path = () => join(folder, 'export.ndjson');

  async function write(period: { from?: number; to?: number } = {}): Promise<string[]> {
    const out = createWriteStream(path());
    await exportPeriod({ stores: hush.stores, verifiers: hush.signer.verifiers, ...period }, out);
    out.end();
    await finished(out);
    return (await readFile(path(), 'utf8')).trimEnd().split('\n');
  }
  const check = () => verifyExport(path(), { verifiers: hush.signer.verifiers });

  test('an export checks by itself, and with the key from elsewhere', async () => {
    const lines = await write();
    expect(lines.length).toBe(305);
    expect(await check()).toEqual({ ok: true, size: 303, entries: 303, emptied: 0, faults: [], selfSigned: false });
    expect(await verifyExport(path())).toMatchObject({ ok: true, selfSigned: true });
    expect(lines.join('\n')).not.toContain('"sealed":{');
  });

  test('any line removed, doubled, moved or changed is named', async () => {
    const lines = await write();
    const kinds = async (changed: readonly string[]) => {
      await writeFile(path(), `${changed.join('\n')}\n`);
      return (await check()).faults.map(({ kind, index }) => `${kind} ${index}`);
    };
    expect(await kinds(lines.filter((_, at) => at !== 11))).toEqual(['missing 10']);
    expect(await kinds([...lines.slice(0, 12), lines[11] ?? '', ...lines.slice(12)])).toEqual(['reordered 10']);
    expect(await kinds([...lines.slice(0, 11), lines[12] ?? '', lines[11] ?? '', ...lines.slice(13)])).toEqual([
      'missing 10',
      'reordered 10',
    ]);
    expect(await kinds(lines.map((line, at) => (at === 11 ? line.replace('one_click', 'staff') : line)))).toEqual([
      'changed 10',
    ]);
    expect(await kinds(lines.map((line, at) => (at === 11 ? line.replace(/"salt":"[^"]*",/, '') : line)))).toEqual([
      'changed 10',
    ]);
    expect(
      await kinds(lines.map((line, at) => (at === 11 ? line.replace(/"body":.*,"proof"/, '"proof"') : line))),
    ).toEqual(['missing 10']);
    expect(await kinds(lines.map((line, at) => (at === 11 ? line.replace('"index":10', '"index":9') : line)))).toEqual([
      'reordered 9',
      'missing 10',
    ]);
    expect(await kinds(lines.slice(0, -3))).toEqual(['missing 301', 'missing 302', 'missing undefined']);
    expect(await kinds(lines.slice(1))).toEqual(['signature undefined']);
    expect(await kinds([(lines[0] ?? '').replace('\\n303\\n', '\\n304\\n'), ...lines.slice(1)])).toEqual([
      'signature undefined',
    ]);
  });

  test('any byte changed anywhere is found, and where a leaf holds it the leaf is named', async () => {
    await hush.close();
    hush = await openInstallation();
    const sealer = hush.sealer();
    await sealer.round();
    await hush.record(4);
    await sealer.round();
    const lines = await write();
    const whole = Buffer.from(`${lines.join('\n')}\n`);
    const first = (lines[0] ?? '').length + 1;
    const end = whole.length - (lines.at(-1) ?? '').length - 1;
    const unseen: string[] = [];
    const unnamed: string[] = [];
    // Every 7th byte, to another letter of the same kind as well as to any.
    for (let at = 0; at < whole.length; at += 7) {
      for (const byte of [(whole[at] ?? 0) ^ 1, 0x0d]) {
        if (byte === whole[at]) continue;
        const changed = Buffer.from(whole);
        changed[at] = byte;
        await writeFile(path(), changed);
        const report = await check();
        if (report.ok) unseen.push(`${at}: ${String.fromCharCode(byte)}`);
        const inLeaf = at >= first && at < end;
        if (inLeaf && !report.faults.some(({ index, says }) => index !== undefined || /leaf \d/.test(says)))
          unnamed.push(`${at}: ${report.faults.map(({ says }) => says).join()}`);
      }
    }
    expect(unseen).toEqual([]);
    expect(unnamed).toEqual([]);
  });

  test('packed by gzip it checks the same, and damage to the packing is a fault', async () => {
    const lines = await write();
    const packed = gzipSync(`${lines.join('\n')}\n`);
    await writeFile(path(), packed);
    expect(await check()).toMatchObject({ ok: true, entries: 303 });
    packed[Math.floor(packed.length / 2)] = (packed[Math.floor(packed.length / 2)] ?? 0) ^ 1;
    await writeFile(path(), packed);
    expect((await check()).ok).toBe(false);
    await writeFile(path(), gzipSync(`${lines.join('\n')}\n`).subarray(0, 2000));
    expect((await check()).faults[0]?.says).toMatch(/damaged/);
  });

  test('a period holds what was sealed in it', async () => {
    hush.time.now += 86_400_000;
    const later = await hush.record(20);
    await hush.sealer().round();
    hush.time.now += 86_400_000;
    await hush.record(5);
    await hush.sealer().round();
    const day = hush.time.now - 86_400_000;
    const lines = await write({ from: day - 1000, to: day + 1000 });
    expect(lines.length).toBe(22);
    expect(lines[1]).toContain(later[0]?.event.id);
    expect(await check()).toMatchObject({ ok: true, size: 20, entries: 20 });
  });

  test('an erased entry has no salt, and the entry that names it comes along', async () => {
    hush.time.now += 1000;
    await hush.record(1);
    await hush.sealer().round();
    await createForget({ stores: hush.stores })(hers);
    hush.time.now += 86_400_000;
    await hush.sealer().round();
    await write({ to: hush.time.now - 1000 });
    expect(await check()).toMatchObject({ ok: true, size: 304, entries: 301, emptied: 3 });
    const lines = (await readFile(path(), 'utf8')).trimEnd().split('\n');
    await writeFile(path(), lines.filter((line) => !line.startsWith('{"kind":"erasure"')).join('\n'));
    expect((await check()).faults.length).toBe(3);
  });

  test('a file that is no export says so', async () => {
    await writeFile(path(), 'hello\n');
    expect((await check()).faults.at(-1)?.says).toContain('is no export of Hush');
  });
});
