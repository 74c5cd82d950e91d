import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import express from 'express';
import pino from 'pino';
import request from 'supertest';
import { requestLog } from '../../../src/web/middleware/request-log.js';

const TOKEN = 'aq3h5n7r2m4k6p8t9v1x3z5b7d9f2g4j';

/** An app that logs its requests at a level, and the lines. */
function logged(level: string) {
  const lines: Record<string, unknown>[] = [];
  const out = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const app = express();
  app.use(requestLog(pino({ level, base: null, timestamp: false }, out)));
  app.get('/p/:token', (_request, response) => {
    response.send(response.locals.requestId);
  });
  app.use((_request, response) => {
    response.status(503).send('away');
  });
  return { app, lines };
}

test('each request has an id of its own, which its answer carries', async () => {
  const { app } = logged('silent');
  const answers = await Promise.all([request(app).get(`/p/${TOKEN}`), request(app).get(`/p/${TOKEN}`)]);
  const ids = answers.map(({ headers }) => headers['x-request-id']);
  expect(ids).toEqual(answers.map(({ text }) => text));
  expect(new Set(ids).size).toBe(2);
});

test('what failed is a warning, by its path without what only its person may know', async () => {
  const { app, lines } = logged('info');
  await request(app).get(`/p/${TOKEN}`);
  const { headers } = await request(app).post(`/other/${TOKEN}?address=ana@example.com`);
  expect(lines).toEqual([
    {
      level: 40,
      req: { id: headers['x-request-id'], method: 'POST', path: '/other/[…]' },
      res: { status: 503 },
      responseTime: expect.any(Number),
      msg: 'request failed',
    },
  ]);
});

test('for debugging every request is logged', async () => {
  const { app, lines } = logged('debug');
  await request(app).get(`/p/${TOKEN}`);
  expect(lines).toMatchObject([{ level: 20, req: { path: '/p/[…]' }, res: { status: 200 }, msg: 'request completed' }]);
});
