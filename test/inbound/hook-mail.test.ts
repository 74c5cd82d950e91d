import express, { type Request } from 'express';
import request from 'supertest';
import { machine } from '../../src/machine.js';
import { createAuthenticate } from '../../src/web/api/authenticate.js';
import { createMailHook } from '../../src/web/hooks/mail.js';
import { problems, sendFailure } from '../../src/web/middleware/problem.js';
import { bounce, written } from './letters.js';
import { emailOf, type Inbound, openInbound } from './setting.js';

let inbound: Inbound;
let app: express.Express;
let key: string;
let other: string;
beforeAll(async () => {
  inbound = await openInbound();
  key = (await inbound.apiKeys.create('mail', ['inbound'])).key;
  other = (await inbound.apiKeys.create('events', ['events'])).key;
  const authenticate = createAuthenticate({
    apiKeys: inbound.apiKeys,
    machine,
    badKey: async (_request: Request) => undefined,
  });
  app = express();
  app.set('query parser', 'simple');
  app.use('/hooks', createMailHook({ mailIn: inbound.mailIn, authenticate }));
  app.use(problems({ log: inbound.log, answer: (_request, response, failure) => sendFailure(response, failure) }));
});
afterAll(() => inbound.close());

const post = (raw: Buffer, path = '/hooks/mail', by: string | undefined = key) => {
  const sent = request(app).post(path).set('Content-Type', 'message/rfc822');
  // As text: supertest writes a Buffer of this type as JSON.
  return (by === undefined ? sent : sent.set('Authorization', `Bearer ${by}`)).send(raw.toString('utf8'));
};

test('one raw message is taken, and answered with what was recognised', async () => {
  const { mailto } = inbound.sent('hook@customer.example');
  const answer = await post(written({ from: 'hook@customer.example', to: mailto })).expect(200);
  expect(answer.body).toEqual({
    recognised: [
      {
        kind: 'opt_out',
        address: 'hook@customer.example',
        contact: expect.stringMatching(/^c_/),
        reason: 'mailto',
        receipt: expect.stringMatching(/^r_/),
        outcome: 'recorded',
      },
    ],
  });
  expect((await inbound.decide(emailOf('hook@customer.example'))).reason).toBe('opted_out');
});

test('the envelope can be given beside the message, once or more', async () => {
  const [first, second] = [inbound.sent('one@customer.example'), inbound.sent('two@customer.example')];
  const query = [first, second].map(({ mailto }) => `to=${encodeURIComponent(mailto)}`).join('&');
  const answer = await post(written({ from: 'x@y.example', to: 'x@y.example' }), `/hooks/mail?${query}`).expect(200);
  expect(answer.body.recognised).toHaveLength(2);
});

test('a dry run records nothing', async () => {
  const { returnPath } = inbound.sent('dry@customer.example');
  const raw = bounce({ recipient: 'dry@customer.example', to: returnPath });
  for (const flag of ['dryRun=1', 'dryRun=true', 'dryRun']) {
    const answer = await post(raw, `/hooks/mail?${flag}`).expect(200);
    expect(answer.body.recognised).toEqual([
      expect.objectContaining({ kind: 'hard', address: 'dry@customer.example', outcome: 'would_record' }),
    ]);
  }
  expect(await inbound.events(emailOf('dry@customer.example'))).toEqual([]);
});

test('without a key it is 401, with a key that may not 403, and nothing is recorded', async () => {
  const { mailto } = inbound.sent('guarded@customer.example');
  const raw = written({ from: 'guarded@customer.example', to: mailto });
  for (const [by, status, code] of [
    [undefined, 401, 'unauthorized'],
    ['hk_nonsense', 401, 'unauthorized'],
    [other, 403, 'forbidden'],
  ] as const) {
    const answer =
      by === undefined
        ? await request(app).post('/hooks/mail').set('Content-Type', 'message/rfc822').send(raw.toString())
        : await post(raw, '/hooks/mail', by);
    expect(answer.status).toBe(status);
    expect(answer.type).toBe('application/problem+json');
    expect(answer.body.code).toBe(code);
    expect(answer.body.remedy).toEqual(expect.any(String));
  }
  expect(await inbound.events(emailOf('guarded@customer.example'))).toEqual([]);
});

test('an empty body, an unknown parameter and a compressed body are 400 with the field named', async () => {
  const empty = await request(app).post('/hooks/mail').set('Authorization', `Bearer ${key}`).expect(400);
  expect(empty.body.field).toBe('body');
  const unknown = await post(Buffer.from('x'), '/hooks/mail?dryrun=1').expect(400);
  expect(unknown.body.field).toBe('query.dryrun');
  const packed = await request(app)
    .post('/hooks/mail')
    .set('Authorization', `Bearer ${key}`)
    .set('Content-Encoding', 'gzip')
    .send('x')
    .expect(400);
  expect(packed.body.field).toBe('content-encoding');
});

test('a message of 50 MB is 413, and the process goes on', async () => {
  const sent = request(app)
    .post('/hooks/mail')
    .set('Authorization', `Bearer ${key}`)
    .set('Content-Type', 'message/rfc822');
  const answer = await sent.send('x'.repeat(50 * 1024 * 1024)).catch((error: { code?: string }) => error);
  // A server that does not read on may close the connection before the client has seen its answer.
  if ('status' in answer) expect(answer.status).toBe(413);
  else expect(answer).toMatchObject({ code: expect.stringMatching(/EPIPE|ECONNRESET/) });
  const { mailto } = inbound.sent('after@customer.example');
  await post(written({ from: 'after@customer.example', to: mailto })).expect(200);
});

test('garbage of every kind is 200 and recognises nothing', async () => {
  for (const raw of ['\0\0\0', 'no header at all', ': \r\n\r\n', 'From: <\r\nTo: >@<\r\n\r\n'])
    expect((await post(Buffer.from(raw)).expect(200)).body).toEqual({ recognised: [] });
});
