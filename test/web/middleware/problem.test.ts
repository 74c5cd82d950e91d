import { expect, test } from '@jest/globals';
import express from 'express';
import pino from 'pino';
import request from 'supertest';
import { HushError } from '../../../src/core/errors.js';
import { problems, sendFailure } from '../../../src/web/middleware/problem.js';

/** An app whose only route fails with `error`, and the lines it logged. */
function failing(error: () => unknown) {
  const logged: string[] = [];
  const app = express();
  app.post('/', express.json({ limit: 20 }), () => {
    throw error();
  });
  app.use(
    problems({
      log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
      answer: (_request, response, failure) => sendFailure(response, failure),
    }),
  );
  return { app, logged };
}

test.each([
  ['invalid', 400],
  ['unauthorized', 401],
  ['forbidden', 403],
  ['not_found', 404],
  ['conflict', 409],
  ['id_reused', 409],
  ['too_large', 413],
  ['too_slow', 408],
  ['rate_limited', 429],
  ['unavailable', 503],
] as const)('%s is answered with %i and not logged: the caller did it', async (kind, status) => {
  const { app, logged } = failing(
    () => new HushError(kind, 'what is wrong', { remedy: 'what to do', retryAfter: 2.5 }),
  );
  const response = await request(app).post('/');
  expect(response.status).toBe(status);
  expect(response.type).toBe('application/problem+json');
  expect(JSON.parse(response.text)).toMatchObject({ code: kind, detail: 'what is wrong', remedy: 'what to do' });
  expect(response.get('retry-after')).toBe('3');
  expect(logged).toEqual([]);
});

test('a bug is a 500 that says nothing of it, and is logged once', async () => {
  const { app, logged } = failing(() => new TypeError('secret detail'));
  const response = await request(app).post('/');
  expect(response.status).toBe(500);
  expect(JSON.parse(response.text)).toMatchObject({ code: 'internal', status: 500 });
  expect(response.text).not.toContain('secret detail');
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain('secret detail');
});

test('a database that cannot be reached is 503, never a bug', async () => {
  const { app, logged } = failing(() => Object.assign(new Error('gone'), { name: 'MongoNetworkError' }));
  const response = await request(app).post('/');
  expect([response.status, response.get('retry-after'), logged.length]).toEqual([503, '5', 0]);
});

test.each([
  ['a body that is too large', 'application/json', JSON.stringify({ text: 'x'.repeat(40) }), 413, 'too_large'],
  ['a body that is not JSON', 'application/json', '{', 400, 'invalid'],
  ['an unknown charset', 'application/json; charset=klingon', '{}', 400, 'invalid'],
])('%s is the caller’s', async (_name, type, body, status, code) => {
  const { app, logged } = failing(() => new Error('is not reached'));
  const response = await request(app).post('/').set('content-type', type).send(body);
  expect(response.status).toBe(status);
  expect(JSON.parse(response.text)).toMatchObject({ code });
  expect(logged).toEqual([]);
});

test('what fails after the answer began breaks the connection and is logged', async () => {
  const logged: string[] = [];
  const app = express();
  app.get('/', (_request, response) => {
    response.write('half');
    throw new Error('too late');
  });
  app.use(
    problems({
      log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
      answer: () => expect('an answer').toBe('not given'),
    }),
  );
  await expect(request(app).get('/')).rejects.toThrow(/aborted|hang up/);
  expect(logged.join()).toContain('too late');
});
