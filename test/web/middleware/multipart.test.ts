import { once } from 'node:events';
import { request as connect } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import request from 'supertest';
import { HushError } from '../../../src/core/errors.js';
import { multipart, type TakeFile, uploadsOf } from '../../../src/web/middleware/multipart.js';

const LIMIT = 1_000_000;
let read = 0;
/** What came of each file so far: octets, by name. */
const arrived = new Map<string, number>();
const onArrived: (() => void)[] = [];
let dropped: string[] = [];

const take: TakeFile = async (name, bytes) => {
  let size = 0;
  for await (const part of bytes) {
    size += part.length;
    arrived.set(name, size);
    for (const tell of onArrived) tell();
    if (part.includes('poison')) throw new HushError('invalid', 'not this');
  }
  return size === 0 ? undefined : { id: name, name, type: 'text/plain', size, chunks: 1, key: Buffer.alloc(0) };
};
const files = {
  takerOf: () => take,
  drop: async (uploads: readonly { id: string }[]) => void dropped.push(...uploads.map(({ id }) => id)),
};

const app = express();
const answer: express.RequestHandler = (asked, response) => {
  const seen = uploadsOf(asked).map(({ name, stored, fault }) => [name, stored?.size ?? fault?.kind]);
  response.json({ fields: asked.body, files: seen });
};
app.post('/', multipart(files, LIMIT), answer);
app.post('/bare', multipart(undefined, LIMIT), answer);
app.use(((error: HushError, asked, response, _next) => {
  read = asked.socket.bytesRead;
  response.status(error.kind === 'too_large' ? 413 : 400).json({ kind: error.kind });
}) as express.ErrorRequestHandler);

const server = app.listen(0, '127.0.0.1');
beforeAll(async () => {
  if (!server.listening) await once(server, 'listening');
});
afterAll(() => void server.close());

const part = (name: string, value: string, more = '') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const file = (name: string, value: string) => part('file', value, `; filename="${name}"`);
const END = '--b--\r\n';
const send = (body: string, to = '/', type = 'multipart/form-data; boundary=b') =>
  request(app).post(to).set('Content-Type', type).send(Buffer.from(body));

test('fields and files are read; the first of a name counts, and files that nobody chose are left out', async () => {
  const body =
    part('kind', 'access') +
    part('kind', 'deletion') +
    part('wörter', 'ñandú') +
    file('übersicht.pdf', 'inhalt') +
    part('none', '', '; filename=""\r\nContent-Type: application/octet-stream') +
    END;
  expect((await send(body)).body).toEqual({
    fields: { kind: 'access', wörter: 'ñandú' },
    files: [['übersicht.pdf', 6]],
  });
  expect((await send(body, '/bare')).body).toEqual({ fields: { kind: 'access', wörter: 'ñandú' }, files: [] });
});

test.each([
  ['sixty thousand fields', Array.from({ length: 60_000 }, () => part('', '')).join('')],
  ['sixty thousand files', Array.from({ length: 60_000 }, () => file('x', 'x')).join('')],
])('%s: reading ends at the first too many', async (_name, body) => {
  // Smaller than the limit, so that it is the parts that end it.
  const small = body.slice(0, LIMIT - 1000);
  expect((await send(`${small}\r\n${END}`)).body).toEqual({ kind: 'invalid' });
  // What was parsed is a piece of the stream or two; the rest is dropped as it comes.
  expect(read).toBeLessThan(300_000);
});

test.each([
  ['a field that is a file in disguise', part('words', 'x'.repeat(100_000)), 400],
  [
    'fields that are too much together',
    Array.from({ length: 5 }, () => part('words', 'x'.repeat(60_000))).join(''),
    400,
  ],
  ['half a form', '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nhal', 400],
  ['half a file', `${part('a', 'b')}--b\r\nContent-Disposition: form-data; name="f"; filename="half"\r\n\r\nhal`, 400],
  ['a form of something else', 'hello', 400],
])('%s is refused', async (_name, body, status) => {
  expect((await send(body)).status).toBe(status);
});

describe('a form whose files are not taken keeps its fields', () => {
  test('where they are too large, whether that was declared or not', async () => {
    const body = part('words', 'hello') + file('small', 'x') + file('large', 'x'.repeat(LIMIT)) + END;
    // Declared: nothing is stored at all.
    expect((await send(body)).body).toEqual({
      fields: { words: 'hello' },
      files: [
        ['small', 'too_large'],
        ['large', 'too_large'],
      ],
    });
    dropped = [];
    const { port } = server.address() as AddressInfo;
    const asked = connect({ port, method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' } });
    asked.write(body.slice(0, 100));
    asked.end(body.slice(100));
    const [response] = await once(asked, 'response');
    const text = await new Response(response).text();
    expect(JSON.parse(text)).toEqual({
      fields: { words: 'hello' },
      files: [
        ['small', 1],
        ['large', 'too_large'],
      ],
    });
    // What nobody kept by the end of the answer goes.
    expect(dropped).toEqual(['small']);
    expect((await send(body, '/bare')).status).toBe(413);
  });

  test('where one of them is refused in its middle, and what stands behind it', async () => {
    const body =
      part('words', 'hello') +
      file('bad', `poison${'x'.repeat(300_000)}`) +
      file('good', 'fine') +
      part('more', 'there') +
      END;
    expect((await send(body)).body).toEqual({
      fields: { words: 'hello', more: 'there' },
      files: [
        ['bad', 'invalid'],
        ['good', 4],
      ],
    });
  });
});

test('a file goes on while the rest is still being sent, and one that is broken off ends for whoever takes it', async () => {
  arrived.clear();
  const { port } = server.address() as AddressInfo;
  const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': '900000' };
  const asked = connect({ port, method: 'POST', headers });
  asked.on('error', () => undefined);
  const seen = new Promise<void>((resolve) => {
    onArrived.push(resolve);
  });
  asked.write(`--b\r\nContent-Disposition: form-data; name="file"; filename="slow"\r\n\r\n${'x'.repeat(70_000)}`);
  // Not one more byte is sent before what came is with whoever takes it.
  await seen;
  expect(arrived.get('slow')).toBeGreaterThan(0);
  asked.destroy();
});

test('without a boundary nothing is read', async () => {
  expect((await send('x', '/', 'multipart/form-data')).status).toBe(400);
});

test('a body of another type passes through', async () => {
  expect((await send('a=b', '/', 'application/x-www-form-urlencoded')).body).toEqual({ files: [] });
});
