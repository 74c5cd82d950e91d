import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readEnvironment } from '../../src/config/environment.js';
import { cosignedMessage } from '../../src/core/cosignature.js';
import {
  COSIGNATURE,
  createVerifier,
  parseNote,
  publicKeyBytes,
  signatureText,
  verifierText,
} from '../../src/core/note.js';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';
import { signIn } from '../web/staff/browser.js';
import { follow } from '../web/staff/people.js';

const pair = generateKeyPairSync('ed25519');
const verifier = createVerifier('witness.example/w1', publicKeyBytes(pair.publicKey), COSIGNATURE);

/** A witness that signs whatever it gets (C2SP tlog-cosignature): what it must refuse is tried in witness.test.ts. */
const server: Server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const note = parseNote(body.slice(body.indexOf('\n\n') + 2));
    const at = Math.floor(Date.now() / 1000);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(at));
    const signed = sign(null, cosignedMessage(note?.text ?? '', at), pair.privateKey);
    response.end(
      signatureText({ name: verifier.name, keyId: verifier.keyId, signature: Buffer.concat([time, signed]) }),
    );
  });
});

let hush: Hush;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  hush = await startHush({ env: { HUSH_WITNESSES: `${url} ${verifierText(verifier)}` } });
});
afterAll(async () => {
  await hush?.stop();
  server.close();
});

test('a witness named in the environment cosigns, and the console says so for the log and for a receipt', async () => {
  const { accepted } = await hush.ask<{ accepted: { receipt: string }[] }>('/v1/events', {
    events: [{ contact: { email: 'ana@example.com' }, type: 'opted_out', source: { kind: 'form' } }],
  });
  await follow(hush);
  await until(async () => (await (await hush.get('/log/checkpoint')).text()).includes(`— ${verifier.name} `));
  const auditor = await signIn(hush, 'auditor');
  expect((await auditor.get('/staff/audit')).text).toMatch(/<dt>Cosigned by<\/dt><dd>witness\.example\/w1<\/dd>/);
  const receipt = (await auditor.get(`/staff/receipts/${accepted[0]?.receipt}`)).text;
  expect(receipt).toContain('Signed by <b>hush.localhost/log</b>, cosigned by witness.example/w1.');
});

test('what is no witness stops the start with what to write', () => {
  const start = (HUSH_WITNESSES: string) => () => readEnvironment({ HUSH_WITNESSES });
  for (const wrong of [
    'https://witness.example',
    'witness.example key',
    'https://witness.example hush.example/log+00000000+AAAA',
  ])
    expect(start(wrong)).toThrow('Write its submission prefix and its verifier key');
  expect(start('')().witnesses).toEqual([]);
  expect(
    start(`https://a.example ${verifierText(verifier)}, https://b.example ${verifierText(verifier)}`)().witnesses,
  ).toHaveLength(2);
});
