import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { compactVerify, importJWK } from 'jose';
import request from 'supertest';
import { createConsentReceipts } from '../../src/audit/consent-receipt.js';
import { readCatalog } from '../../src/config/catalog.js';
import { openCheckpoint } from '../../src/core/checkpoint.js';
import { leafHash, rootOfHashes } from '../../src/core/merkle.js';
import { parseVerifier, verifierText } from '../../src/core/note.js';
import { createLogRoutes } from '../../src/web/transparency-log.js';
import { type Installation, ORIGIN, openInstallation } from './installation.js';

let hush: Installation;
let app: express.Express;
const catalog = readCatalog('config/catalog.yaml', {});

beforeAll(async () => {
  hush = await openInstallation();
  const receipts = createConsentReceipts({
    keyring: hush.keyring,
    catalog,
    origin: ORIGIN,
    publicUrl: 'https://hush.example',
  });
  app = express().use('/log', createLogRoutes({ stores: hush.stores, signer: hush.signer, jwks: receipts.jwks }));
});
afterAll(() => hush.close());

/** As bytes, whatever the type says. */
const get = (path: string) =>
  request(app)
    .get(path)
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done(null, Buffer.concat(chunks)));
    });

describe('/log', () => {
  test('before the first checkpoint there is none', async () => {
    expect((await get('/log/checkpoint')).status).toBe(404);
    expect((await get('/log/tile/0/000.p/1')).status).toBe(404);
  });

  test('serves checkpoint, tiles and entries as tlog-tiles has it, with their cache headers', async () => {
    await hush.record(700);
    await hush.sealer().round();
    const checkpoint = await get('/log/checkpoint');
    expect(checkpoint.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(checkpoint.headers['cache-control']).toBe('public, max-age=1');
    const opened = openCheckpoint(String(checkpoint.body), hush.signer.verifiers);
    expect(opened?.checkpoint.size).toBe(700);

    const full = await get('/log/tile/0/001');
    expect(full.headers['content-type']).toBe('application/octet-stream');
    expect(full.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(full.body.length).toBe(8192);
    const partial = await get('/log/tile/0/002.p/188');
    expect(partial.body.length).toBe(188 * 32);
    const upper = await get('/log/tile/1/000.p/2');
    expect(upper.body.length).toBe(64);

    const bundle = (await get('/log/tile/entries/002.p/188')).body as Buffer;
    const hashes: Buffer[] = [];
    for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) {
      hashes.push(leafHash(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at))));
    }
    expect(Buffer.concat(hashes)).toEqual(partial.body);
    expect(
      rootOfHashes(Array.from({ length: 256 }, (_, at) => (full.body as Buffer).subarray(at * 32, at * 32 + 32))),
    ).toEqual((upper.body as Buffer).subarray(32));
    expect((await get('/log/tile/0/002.p/5')).body).toEqual((partial.body as Buffer).subarray(0, 160));
  });

  test.each([
    '/log/tile/0/002',
    '/log/tile/0/002.p/189',
    '/log/tile/0/003.p/1',
    '/log/tile/1/000',
    '/log/tile/1/000.p/3',
    '/log/tile/2/000.p/1',
    '/log/tile/0/2',
    '/log/tile/0/000.p/256',
    '/log/tile/entries/x000/001',
    '/log/tile/0/..%2f000',
    '/log/tile/',
    '/log/tile',
  ])('%s is not there, and nobody is to remember that', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    if (path.length > 11) expect(response.headers['cache-control']).toBe('no-store');
  });

  test('leaves that are not under a published checkpoint are not served', async () => {
    const entries = await hush.record(3);
    const { leaves } = hush.stores;
    const dying = hush.sealer({
      ...hush.stores,
      leaves: { ...leaves, advance: () => Promise.reject(new Error('died')) },
    });
    await expect(dying.round()).rejects.toThrow('died');
    expect((await leaves.range(700, 710)).length).toBe(entries.length);
    expect((await get('/log/tile/entries/002.p/189')).status).toBe(404);
    await hush.sealer().round();
    expect((await get('/log/tile/entries/002.p/189')).status).toBe(200);
  });

  test('the verifier key is the one that signs', async () => {
    const text = String((await get('/log/vkey')).body);
    const [line] = text.trimEnd().split('\n');
    const verifier = parseVerifier(line ?? '');
    expect(verifier && verifierText(verifier)).toBe(line);
    expect(verifier && openCheckpoint(String((await get('/log/checkpoint')).body), [verifier])).toBeDefined();
  });
});

describe('consent receipts', () => {
  test('are JWS in the terms of ISO/IEC TS 27560 that the published keys verify', async () => {
    const receipts = createConsentReceipts({
      keyring: hush.keyring,
      catalog,
      origin: ORIGIN,
      publicUrl: 'https://hush.example',
    });
    const key = Buffer.alloc(16, 3);
    const { event } = hush.entry(key, {
      type: 'consent_granted',
      notice: { id: 'x', version: '1' },
      until: hush.time.now + 1000,
    });
    const receipt = receipts.receiptOf(key, 'email address', event, 'en');
    if (!receipt) throw new Error('no receipt');
    expect(receipt.consent_record.consent_events[0]).toMatchObject({
      event_state: 'consent_given',
      event_type: 'explicit',
    });
    expect(receipt.consent_record.party_identification).toHaveLength(1);
    const jws = await receipts.sign(receipt);
    const jwks = JSON.parse(String((await get('/log/jwks.json')).body));
    const [jwk] = jwks.keys;
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    const { payload, protectedHeader } = await compactVerify(jws, await importJWK(jwk, 'EdDSA'));
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: 'receipt-1', typ: 'consent-receipt+jws' });
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(receipt);
    expect(await receipts.open(jws)).toEqual(receipt);
    expect(await receipts.open(jws.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')))).toBeUndefined();
    expect(await receipts.open(jws.replace('.', '.e'))).toBeUndefined();
    // Its key signs no checkpoint.
    const [vkey] = hush.signer.verifiers;
    const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' });
    expect(spki.subarray(-32).equals(vkey?.publicKey ?? Buffer.alloc(0))).toBe(false);
  });

  test('there is none of an event that is no consent', () => {
    const receipts = createConsentReceipts({
      keyring: hush.keyring,
      catalog,
      origin: ORIGIN,
      publicUrl: 'https://hush.example',
    });
    expect(
      receipts.receiptOf(
        Buffer.alloc(16),
        'email address',
        hush.entry(Buffer.alloc(16), { type: 'bounced' }).event,
        'en',
      ),
    ).toBeUndefined();
  });
});
