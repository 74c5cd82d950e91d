import { expect, test } from '@jest/globals';
import express from 'express';
import request from 'supertest';
import type { HushError } from '../../src/core/errors.js';
import { multipart, uploadsOf } from '../../src/web/multipart.js';

const LIMIT = 1_000_000;
let read = 0;
const app = express();
app.post(
  '/',
  (asked, _response, next) => {
    read = 0;
    asked.on('data', (chunk: Buffer) => {
      read += chunk.length;
    });
    next();
  },
  multipart(LIMIT),
  (asked, response) => {
    const files = uploadsOf(asked).map(({ field, name, bytes }) => [field, name, bytes.toString()]);
    response.json({ fields: asked.body, files });
  },
);
app.use(((error: HushError, _request, response, _next) => {
  response.status(error.kind === 'too_large' ? 413 : 400).json({ kind: error.kind });
}) as express.ErrorRequestHandler);

const part = (name: string, value: string, more = '') =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const send = (body: string, type = 'multipart/form-data; boundary=b') =>
  request(app).post('/').set('Content-Type', type).send(Buffer.from(body));

test('fields and files are read; the first of a name counts, and files that nobody chose are left out', async () => {
  const body =
    part('kind', 'access') +
    part('kind', 'deletion') +
    part('wörter', 'ñandú') +
    part('file', 'inhalt', '; filename="übersicht.pdf"') +
    part('none', '', '; filename=""\r\nContent-Type: application/octet-stream') +
    '--b--\r\n';
  expect((await send(body)).body).toEqual({
    fields: { kind: 'access', wörter: 'ñandú' },
    files: [['file', 'übersicht.pdf', 'inhalt']],
  });
});

test.each([
  ['sixty thousand fields', Array.from({ length: 60_000 }, () => part('', '')).join('')],
  ['sixty thousand files', Array.from({ length: 60_000 }, () => part('', 'x', '; filename="x"')).join('')],
])('%s: reading ends at the first too many', async (_name, body) => {
  // Smaller than the limit, so that it is the parts that end it.
  const small = body.slice(0, LIMIT - 1000);
  expect((await send(`${small}\r\n--b--\r\n`)).body).toEqual({ kind: 'invalid' });
  // What was parsed is a piece of the stream or two; the rest is dropped as it comes.
  expect(read).toBeLessThan(300_000);
});

test.each([
  ['a body over the limit', part('file', 'x'.repeat(LIMIT + 1), '; filename="x"'), 413],
  ['a field that is a file in disguise', part('words', 'x'.repeat(100_000)), 400],
  ['half a form', '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nhal', 400],
  ['a form of something else', 'hello', 400],
])('%s is refused', async (_name, body, status) => {
  expect((await send(body)).status).toBe(status);
});

test('without a boundary nothing is read', async () => {
  expect((await send('x', 'multipart/form-data')).status).toBe(400);
});

test('a body of another type passes through', async () => {
  expect((await send('a=b', 'application/x-www-form-urlencoded')).body).toEqual({ files: [] });
});
