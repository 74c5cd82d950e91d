import { rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express from 'express';
import { createProofs } from '../../src/audit/proofs.js';
import { parseEventId } from '../../src/core/keys.js';
import { createLogRoutes } from '../../src/web/transparency-log.js';
import { needing } from '../support/needs.js';
import { type Installation, openInstallation } from './installation.js';
import { folder, run, why } from './logcheck.js';

type Spoil = (path: string, bytes: Buffer) => Buffer;

/** Entries of a bundle, and a bundle of entries. */
function split(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.subarray(at, end));
    at = end;
  }
  return entries;
}

needing(why).describe('golang.org/x/mod/sumdb checks our log', () => {
  let hush: Installation;
  let server: Server;
  let url: string;
  let vkey: string;
  let spoil: Spoil | undefined;
  const old: string[] = [];

  beforeAll(async () => {
    hush = await openInstallation();
    const sealer = hush.sealer();
    for (const count of [0, 1, 2, 60, 193, 1, 255, 300, 700]) {
      await hush.record(count);
      const { checkpoint } = await sealer.round();
      const file = join(folder, `checkpoint-${checkpoint?.size}`);
      await writeFile(file, checkpoint?.note ?? '');
      old.push('-old', file);
    }
    vkey = (await hush.signer.vkeys()).trim();
    const app = express();
    // Changes what goes over the wire, and nothing in the log.
    app.use((request, response, next) => {
      const send = response.send.bind(response);
      // What is a Buffer after the first call is sent as it is: Express calls itself again with it.
      let spoilt = false;
      response.send = (body) => {
        if (spoilt || !spoil) return send(body);
        spoilt = true;
        return send(spoil(request.originalUrl, Buffer.isBuffer(body) ? body : Buffer.from(String(body))));
      };
      next();
    });
    app.use('/log', createLogRoutes({ stores: hush.stores, signer: hush.signer, jwks: async () => ({ keys: [] }) }));
    server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/log`;
  });
  afterAll(async () => {
    server.close();
    await hush.close();
    await rm(folder, { recursive: true, force: true });
  });

  const check = async (how?: Spoil) => {
    spoil = how;
    try {
      return await run(['-url', url, '-vkey', vkey, ...old]);
    } finally {
      spoil = undefined;
    }
  };
  const onEntries =
    (change: (entries: Buffer[]) => Buffer[]): Spoil =>
    (path, bytes) =>
      path === '/log/tile/entries/002' ? Buffer.concat(change(split(bytes))) : bytes;
  const flip = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
    return copy;
  };

  test('every checkpoint, tile, entry, inclusion and consistency proof is accepted', async () => {
    expect(await check()).toEqual({ code: 0, out: 'ok 1512 entries, 10 checkpoints\n' });
  });

  test.each<[string, Spoil, RegExp]>([
    [
      'a changed entry',
      onEntries(([first, ...rest]) => [flip(first ?? Buffer.alloc(0), 40), ...rest]),
      /entry 512 is not in the tree/,
    ],
    ['a removed entry', onEntries(([, ...rest]) => rest), /short of entry/],
    [
      'two entries exchanged',
      onEntries(([a, b, ...rest]) => [b ?? Buffer.alloc(0), a ?? Buffer.alloc(0), ...rest]),
      /entry 512 is not in the tree/,
    ],
    ['an added entry', onEntries((entries) => [...entries, entries[0] ?? Buffer.alloc(0)]), /too many/],
    [
      'a changed tile',
      (path, bytes) => (path === '/log/tile/0/001' ? flip(bytes, 100) : bytes),
      /inconsistent|not in the tree/,
    ],
    [
      'a changed upper tile',
      (path, bytes) => (path.startsWith('/log/tile/1/') ? flip(bytes, 3) : bytes),
      /inconsistent|root/,
    ],
    [
      'a checkpoint with another size',
      (path, bytes) =>
        path === '/log/checkpoint' ? Buffer.from(String(bytes).replace('\n1512\n', '\n1511\n')) : bytes,
      /invalid signature|checkpoint/,
    ],
  ])('%s is refused', async (_what, how, message) => {
    const { code, out } = await check(how);
    expect(code).toBe(1);
    expect(out).toMatch(message);
  });

  test('a checkpoint of another history is not consistent', async () => {
    const other = await openInstallation();
    try {
      await other.record(100);
      const { checkpoint } = await other.sealer().round();
      const file = join(folder, 'foreign');
      await writeFile(file, checkpoint?.note ?? '');
      const { code, out } = await run(['-url', url, '-vkey', vkey, '-old', file]);
      expect(code).toBe(1);
      expect(out).toContain('not consistent with 100');
    } finally {
      await other.close();
    }
  });

  test('the proof of a receipt is accepted, and with another entry refused', async () => {
    const proofs = createProofs({ stores: hush.stores });
    const [row, neighbour] = await hush.stores.leaves.range(777, 779);
    const id = parseEventId(row?.event ?? '');
    if (!id || !neighbour) throw new Error('no such leaf');
    const files = ['a.tlog-proof', 'a.entry', 'b.entry'].map((name) => join(folder, name));
    const [proof = '', entry = '', wrong = ''] = files;
    await writeFile(proof, (await proofs.proofFor(id)) ?? '');
    await writeFile(entry, (await proofs.entryFor(id)) ?? '');
    await writeFile(wrong, neighbour.entry);
    expect(await run(['-vkey', vkey, '-proof', proof, '-entry', entry])).toEqual({
      code: 0,
      out: 'ok entry 777 of 1512\n',
    });
    expect((await run(['-vkey', vkey, '-proof', proof, '-entry', wrong])).code).toBe(1);
  });
});
