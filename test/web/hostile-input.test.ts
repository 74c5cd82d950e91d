import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../src/core/keys.js';
import { sealLink } from '../../src/core/token.js';
import { machine } from '../../src/machine.js';
import { API_KEY, databaseUri } from '../support/hush.js';
import { type HushProcess, startProcess } from '../support/process.js';

const SECRET = 'a secret for tests that is long enough';

/** A process of its own, because that is what must not end. */
let hush: HushProcess;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hush-hostile-'));
  const namespace = `t${randomBytes(6).toString('hex')}`;
  hush = await startProcess({
    MONGODB_URI: databaseUri(namespace),
    REDIS_URL: process.env.REDIS_URL,
    HUSH_SECRET: SECRET,
    HUSH_API_KEY: API_KEY,
    HUSH_DATA_DIR: dir,
    HUSH_NAMESPACE: namespace,
  });
});
afterAll(async () => {
  await hush?.kill();
  await rm(dir, { recursive: true, force: true });
});

/** Bytes as they are to a connection of their own; the status of the answer, or undefined when there was none. */
async function send(bytes: string | Buffer, isOver = false): Promise<number | undefined> {
  const { hostname, port } = new URL(hush.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  // Node answers nobody who has closed his side: only what is no request may end so.
  if (isOver) socket.end(bytes);
  else socket.write(bytes);
  const answer = await text(socket).catch(() => '');
  const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
  return status === undefined ? undefined : Number(status);
}

interface Hostile {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}

function bytesOf({ method = 'POST', target, headers = [], body = '' }: Hostile): Buffer {
  const content = Buffer.from(body);
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers];
  return Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\r\nContent-Length: ${content.length}\r\n\r\n`, 'latin1'),
    content,
  ]);
}

const BEARER = `Authorization: Bearer ${API_KEY}`;
const JSON_TYPE = 'Content-Type: application/json';
const QUERY = 'brand=jmf&channel=email&purpose=promotion';
const deep = (open: string, close: string) => open.repeat(20_000) + close.repeat(20_000);

/** Texts that parsers of JSON, and code behind them, have fallen over. */
const JSON_BODIES = [
  '',
  'null',
  '[]',
  '"x"',
  '1e999',
  '{',
  '\u0000',
  '{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
  '{"contact":null}',
  '{"contact":{"email":{"$ne":""}},"brand":"jmf","channel":"email","purpose":"promotion"}',
  '{"contact":{"email":"\\ud800@example.com"},"brand":"jmf","channel":"email","purpose":"promotion"}',
  '{"contact":{"postal":{"line1":"x","city":"","postalCode":""}},"brand":"__proto__","channel":"email","purpose":"promotion"}',
  '{"events":[null,1,{"contact":{"id":"a:\\u0000"},"type":"opted_out"}]}',
  deep('[', ']'),
  deep('{"a":', '}'),
];
const API_ROUTES = [
  '/v1/decisions',
  '/v1/decisions/batch',
  '/v1/events',
  '/v1/links',
  '/v1/contacts/lookup',
  '/v1/contacts/link',
  '/v1/contacts/replace',
  '/v1/consents',
  '/v1/imports',
  '/v1/webhooks',
];

const token = (
  contactType: 'email' | 'phone' | 'id' | 'postal',
  address: string,
  kind: 'mailed' | 'fresh' = 'mailed',
) =>
  sealLink(keyringFromSecret(SECRET, machine.randomBytes), {
    kind,
    brandCode: 1,
    topicCode: 0,
    channel: '*',
    purpose: 'promotion',
    contactType,
    address,
    reference: '',
  });
const TOKENS = [
  token('email', 'no address at all'),
  token('phone', '1'),
  token('id', 'x'),
  token('postal', 'not JSON'),
  token('postal', '{"line1":{"$ne":1}}'),
  token('email', 'no address either', 'fresh'),
  '%',
  '%zz',
  '%E0%A4%A',
  '%00',
  '%FF%FE',
  '..%2f..%2f',
  '__proto__',
  '0'.repeat(6000),
  `AQ${'A'.repeat(2000)}`,
];
const TOKEN_ROUTES = ['u', 'p', 'confirm', 'rights', 'access'];

const part = (disposition: string, content = 'x') =>
  `--b\r\nContent-Disposition: ${disposition}\r\n\r\n${content}\r\n--b--\r\n`;
const MULTIPART = [
  '',
  '--b',
  '--b--\r\n',
  '--b\r\n\r\n\r\n--b--',
  part('form-data'),
  part('form-data; name="__proto__"'),
  part('form-data; name="kind"; filename="\u0000../../x"'),
  part(`form-data; name="${'n'.repeat(50_000)}"`),
  '--b\r\nContent-Disposition: form-data; name="a"\r\n'.repeat(2000),
];

const CSV = [
  '',
  '\u0000',
  '"',
  '"a\n"b",\n',
  `email\n${'"'.repeat(9999)}`,
  `${'a,'.repeat(20_000)}\n`,
  'email\n\ufffe\ufffd\n',
  '\ufeffsep=;\n',
];
const MIME = [
  '',
  '\u0000',
  'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n',
  `Content-Type: multipart/report; boundary=b\r\n\r\n${'--b\r\n'.repeat(5000)}`,
  `Subject: =?x?q?${'='.repeat(5000)}?=\r\n\r\n`,
  'To: u+%E0%A4%A@preferences.jminsure.example\r\n\r\n',
];

const HOSTILE: Readonly<Record<string, readonly Hostile[]>> = {
  'tokens on every route': TOKENS.flatMap((given) =>
    TOKEN_ROUTES.flatMap((route) => [
      { method: 'GET', target: `/${route}/${given}` },
      {
        target: `/${route}/${given}`,
        headers: ['Content-Type: application/x-www-form-urlencoded'],
        body: 'act=undo&undo=%zz',
      },
      {
        target: `/${route}/${given}`,
        headers: ['Content-Type: application/x-www-form-urlencoded'],
        body: 'List-Unsubscribe=One-Click',
      },
    ]),
  ),
  'JSON on every route of the API': JSON_BODIES.flatMap((body) =>
    API_ROUTES.map((target) => ({ target, headers: [BEARER, JSON_TYPE], body })),
  ),
  NDJSON: JSON_BODIES.map((body) => ({
    target: `/v1/decisions/batch?${QUERY}`,
    headers: [BEARER, 'Content-Type: application/x-ndjson'],
    body: `${body}\n${body}\n`,
  })),
  multipart: MULTIPART.flatMap((body) =>
    ['/rights', '/p/x', '/u/x', `/p/${TOKENS[0]}`, `/rights/${TOKENS[0]}`].flatMap((target) =>
      ['boundary=b', 'boundary="', '', 'boundary=b; charset=x'].map((boundary) => ({
        target,
        headers: [`Content-Type: multipart/form-data; ${boundary}`],
        body,
      })),
    ),
  ),
  CSV: CSV.flatMap((body) =>
    [`/v1/scrub?${QUERY}&column=email`, `/v1/scrub?${QUERY}`, '/v1/imports?name=x'].map((target) => ({
      target,
      headers: [BEARER, 'Content-Type: text/csv'],
      body,
    })),
  ),
  MIME: MIME.map((body) => ({
    target: '/hooks/mail?to=%25&to=u%2Bx%40preferences.jminsure.example',
    headers: [BEARER, 'Content-Type: message/rfc822'],
    body,
  })),
  'cookies, queries and headers': [
    ...['hush=%', 'hush=s%3Ax.y', '=;;=', `a=${'b'.repeat(7000)}`, '__proto__=x', 'hush="\\'].flatMap((cookie) =>
      ['/staff', '/preferences', '/staff/people'].map((target) => ({
        method: 'GET',
        target,
        headers: [`Cookie: ${cookie}`],
      })),
    ),
    ...[
      '?%',
      '?lang=%zz',
      '?__proto__[x]=1',
      '?lang=a&lang=b',
      '?%00',
      `?${'a=1&'.repeat(3000)}`,
      '?a[b][c]=1',
    ].flatMap((query) =>
      ['/preferences', '/u/x', '/v1/suppressions', '/v1/changes', '/staff', '/log/checkpoint'].map((target) => ({
        method: 'GET',
        target: target + query,
        headers: [BEARER],
      })),
    ),
    ...[
      'Accept-Language: *;q=zz, ,;;',
      'X-Forwarded-For: ,,, ,::1, %',
      'Content-Type: /',
      'Content-Type: application/json; charset=nothing',
      'Content-Encoding: gzip',
      'Content-Encoding: nothing',
      'Authorization: Bearer',
      'Authorization: Basic \u00ff',
      'Range: bytes=-',
      'If-Modified-Since: x',
      'Expect: nothing',
      'Sec-GPC: 1, 1',
      'Origin: ://',
      'Transfer-Encoding: chunked',
      'Idempotency-Key: \u00ff',
      'Upgrade: websocket',
    ].flatMap((header) =>
      ['/u/x', '/preferences', '/v1/events', '/rights', '/hooks/x', '/staff/sign-in'].map((target) => ({
        target,
        headers: [header],
        body: '{"a":1}',
      })),
    ),
  ],
  'paths and request lines': [
    ...[
      '/%',
      '/%zz',
      '/%E0%A4%A/x',
      '/v1/%',
      '/hooks/%',
      '/staff/%',
      '/assets/%',
      '/log/tile/%',
      '/v1/receipts/%',
      '/docs/%00',
      '//',
      '/\\',
      '*',
      'http://',
      'http://x',
      'http://[',
      '/..%2f..%2fetc/passwd',
    ].flatMap((target) =>
      ['GET', 'HEAD', 'POST', 'OPTIONS', 'PROPFIND', 'CONNECT', 'TRACE'].map((method) => ({ method, target })),
    ),
  ],
};

describe('the process is alive, and did not throw, after hostile', () => {
  test.each(Object.entries(HOSTILE))('%s', async (_kind, inputs) => {
    for (let at = 0; at < inputs.length; at += 20) {
      const some = inputs.slice(at, at + 20);
      const statuses = await Promise.all(some.map((input) => send(bytesOf(input))));
      // CONNECT is the one method that Node hangs up on.
      const faults = some.filter(({ method }, n) => method !== 'CONNECT' && (statuses[n] ?? 500) === 500);
      expect(faults.map(({ method, target, headers }) => [method, target.slice(0, 80), headers])).toEqual([]);
    }
    expect((await fetch(`${hush.url}/readyz`)).status).toBe(200);
    expect(() => process.kill(hush.pid, 0)).not.toThrow();
  });

  test('bytes that are no HTTP', async () => {
    for (const bytes of [
      '\u0000',
      '\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'POST /u/x HTTP/1.1\r\n: \r\n\r\n',
      randomBytes(5000),
    ]) {
      await send(bytes, true);
    }
    expect((await fetch(`${hush.url}/readyz`)).status).toBe(200);
  });
});
