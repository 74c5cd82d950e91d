import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createProofs, publishedNote } from '../../src/audit/proofs.js';
import { createWitness } from '../../src/audit/witness.js';
import { openCheckpoint, parseTlogProof } from '../../src/core/checkpoint.js';
import { cosignedMessage, verifyCosignature } from '../../src/core/cosignature.js';
import { parseEventId } from '../../src/core/keys.js';
import { EMPTY_ROOT, type Hash, verifyConsistency } from '../../src/core/merkle.js';
import {
  COSIGNATURE,
  createVerifier,
  decodeBase64,
  parseNote,
  parseVerifier,
  publicKeyBytes,
  signatureText,
  verifierText,
} from '../../src/core/note.js';
import { machine } from '../../src/machine.js';
import { needing } from '../support/needs.js';
import { type Installation, ORIGIN, openInstallation, silent } from './installation.js';
import { findLitewitness, startLitewitness } from './litewitness.js';

let hush: Installation;
beforeEach(async () => {
  hush = await openInstallation();
});
afterEach(() => hush.close());

async function latest() {
  const checkpoint = await hush.stores.checkpoints.latest();
  if (!checkpoint) throw new Error('no checkpoint');
  return checkpoint;
}

async function sealMore(count: number) {
  await hush.record(count);
  await hush.sealer().round();
  return latest();
}

/** A witness as tlog-witness describes it, that remembers what it was asked. */
function standIn() {
  const { privateKey } = generateKeyPairSync('ed25519');
  const verifier = createVerifier('w.example/1', publicKeyBytes(privateKey), COSIGNATURE);
  const state = { size: 0, root: EMPTY_ROOT as Hash, asked: [] as string[], fail: 0 };
  const answer = (body: string): [number, string] => {
    const end = body.indexOf('\n\n');
    const [old = '', ...proof] = body.slice(0, end).split('\n');
    state.asked.push(old);
    if (state.fail) return [state.fail, ''];
    const note = body.slice(end + 2);
    const opened = openCheckpoint(note, hush.signer.verifiers);
    if (!opened) return [403, ''];
    if (old !== `old ${state.size}`) return [409, `${state.size}\n`];
    const hashes = proof.map((line) => decodeBase64(line) ?? Buffer.alloc(0));
    const { size, root } = opened.checkpoint;
    if (state.size > 0 && !verifyConsistency(state.size, size, state.root, root, hashes)) return [422, ''];
    Object.assign(state, { size, root });
    const at = 1_800_000_000;
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(at));
    const signature = Buffer.concat([stamp, sign(null, cosignedMessage(parseNote(note)?.text ?? '', at), privateKey)]);
    const unknown = '— unknown.example AAAAAAAA\n';
    return [200, unknown + signatureText({ name: verifier.name, keyId: verifier.keyId, signature })];
  };
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const [status, text] =
        request.url === '/add-checkpoint' && request.method === 'POST' ? answer(body) : ([404, ''] as const);
      response.writeHead(status, status === 409 ? { 'content-type': 'text/x.tlog.size' } : {}).end(text);
    });
  });
  return {
    verifier,
    state,
    async listen(): Promise<string> {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

describe('the witness client', () => {
  let other: ReturnType<typeof standIn>;
  let url: string;
  beforeEach(async () => {
    other = standIn();
    url = await other.listen();
  });
  afterEach(() => other.close());
  const witness = () => createWitness({ url, verifier: other.verifier, stores: hush.stores, machine, log: silent });

  test('has checkpoint after checkpoint cosigned, keeps the lines and shows them', async () => {
    for (const count of [1, 5, 300, 1]) expect(await witness().cosign(await sealMore(count))).toBe('cosigned');
    expect(other.state.asked).toEqual(['old 0', 'old 1', 'old 6', 'old 306']);
    const checkpoint = await latest();
    const note = parseNote(publishedNote(checkpoint));
    expect(note?.signatures.length).toBe(2);
    const line = note?.signatures[1];
    expect(line && note && verifyCosignature(line, note.text, other.verifier)?.at).toBe(1_800_000_000);
    expect(publishedNote(checkpoint)).not.toContain('unknown.example');
    expect(openCheckpoint(publishedNote(checkpoint), hush.signer.verifiers)?.checkpoint.size).toBe(307);
    expect(await witness().cosign(checkpoint)).toBe('known');
  });

  test('goes on from the size a witness names when it knows another (409)', async () => {
    await witness().cosign(await sealMore(10));
    await hush.stores.checkpoints.setWitnessSize('w.example/1', 0);
    expect(await witness().cosign(await sealMore(10))).toBe('cosigned');
    expect(other.state.asked).toEqual(['old 0', 'old 0', 'old 10']);
  });

  test('says so when the witness has seen more than we have, or another history', async () => {
    const checkpoint = await sealMore(10);
    Object.assign(other.state, { size: 11 });
    expect(await witness().cosign(checkpoint)).toBe('ahead');
    Object.assign(other.state, { size: 5, root: Buffer.alloc(32, 1) });
    expect(await witness().cosign(checkpoint)).toBe('refused');
  });

  test('a witness that is away, or signs with another key, is waited for without harm', async () => {
    const checkpoint = await sealMore(3);
    Object.assign(other.state, { fail: 503 });
    expect(await witness().cosign(checkpoint)).toBe('away');
    Object.assign(other.state, { fail: 0 });
    const foreign = createVerifier('w.example/1', Buffer.alloc(32, 9), COSIGNATURE);
    expect(
      await createWitness({ url, verifier: foreign, stores: hush.stores, machine, log: silent }).cosign(checkpoint),
    ).toBe('refused');
    expect((await latest()).cosignatures).toEqual([]);
    expect(
      await createWitness({
        url: 'http://127.0.0.1:1',
        verifier: other.verifier,
        stores: hush.stores,
        machine,
        log: silent,
      }).cosign(checkpoint),
    ).toBe('away');
  });

  test('proofs are made for the newest checkpoint that a witness signed', async () => {
    const checkpoint = await sealMore(3);
    await witness().cosign(checkpoint);
    await sealMore(1);
    const [row] = await hush.stores.leaves.range(1, 2);
    const id = parseEventId(row?.event ?? '');
    const proof = id && parseTlogProof((await createProofs({ stores: hush.stores }).proofFor(id)) ?? '');
    expect(proof && openCheckpoint(proof.checkpoint, hush.signer.verifiers)?.checkpoint.size).toBe(3);
    expect(proof?.checkpoint).toContain('— w.example/1 ');
  });
});

const found = findLitewitness();
needing('why' in found ? found.why : undefined).describe('litewitness beside the log', () => {
  test('cosigns each new checkpoint, tells its size, and refuses a rewritten history', async () => {
    if (!('program' in found)) return;
    const lite = await startLitewitness(found.program, ORIGIN, hush.signer.verifiers.map(verifierText));
    try {
      const verifier = parseVerifier(lite.vkey);
      if (!verifier) throw new Error(`not a verifier key: ${lite.vkey}`);
      const witness = (installation: Installation) =>
        createWitness({ url: lite.url, verifier, stores: installation.stores, machine, log: silent });
      for (const count of [1, 2, 253, 1, 300, 700]) {
        expect(await witness(hush).cosign(await sealMore(count))).toBe('cosigned');
        const checkpoint = await latest();
        const note = parseNote(publishedNote(checkpoint));
        const line = note?.signatures[1];
        const cosignature = line && note && verifyCosignature(line, note.text, verifier);
        expect(Math.abs((cosignature?.at ?? 0) * 1000 - Date.now())).toBeLessThan(60_000);
      }
      // It tells the size it knows.
      await hush.stores.checkpoints.setWitnessSize(verifier.name, 1);
      expect(await witness(hush).cosign(await sealMore(5))).toBe('cosigned');

      // The same log, its history rewritten: same key and origin, other leaves.
      const rewritten = await openInstallation();
      try {
        await rewritten.record(2000);
        await rewritten.sealer().round();
        const forged = await rewritten.stores.checkpoints.latest();
        expect(forged && (await witness(rewritten).cosign(forged))).toBe('refused');
        expect(lite.log()).not.toContain('panic');
      } finally {
        await rewritten.close();
      }

      // And one cut short.
      const short = await openInstallation();
      try {
        await short.record(3);
        await short.sealer().round();
        const forged = await short.stores.checkpoints.latest();
        expect(forged && (await witness(short).cosign(forged))).toBe('ahead');
      } finally {
        await short.close();
      }
    } finally {
      await lite.stop();
    }
  });
});
