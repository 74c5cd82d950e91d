import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createWebServer, type Patience, type WebServer } from '../../src/web/server.js';
import { until } from '../support/until.js';

const open: WebServer[] = [];
afterEach(() => Promise.all(open.splice(0).map((web) => web.drain(100))));

const NEVER = 600_000;

/** A server with the limits (ms) that a test is about; the others are never met. */
async function serve(patience: Partial<Patience>): Promise<{ web: WebServer; port: number }> {
  const web = createWebServer(
    () => false,
    async (request, response) => {
      if (request.url === '/wait') await sleep(900);
      let size = 0;
      try {
        for await (const chunk of request) size += chunk.length;
      } catch {
        return;
      }
      if (request.url === '/much') {
        // More than the sockets between us hold, for a reader that does not read.
        response.end(Buffer.alloc(64_000_000));
        return;
      }
      if (!response.writableEnded) response.end(`read ${size}`);
    },
    () => undefined,
    { headers: NEVER, body: NEVER, standstill: NEVER, ...patience },
  );
  open.push(web);
  return { web, port: await web.listen(0) };
}

/** Sends pieces with pauses (ms) between them; what came back until the server closed. */
async function send(port: number, pieces: Iterable<string | number>): Promise<string> {
  const socket = connect(port, 'localhost');
  let closed = false;
  const answer = text(socket).catch((error: unknown) => `broken: ${error}`);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (closed) break;
    if (typeof piece === 'number') await sleep(piece);
    else socket.write(piece);
  }
  return answer;
}
const head = (path: string, type: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
const CHUNK = '1\r\nx\r\n';

describe('a body', () => {
  test('that stands still is a 408 that says what to do, and the connection ends', async () => {
    const { port } = await serve({ standstill: 300 });
    const answer = await send(port, [head('/', 'application/json'), CHUNK]);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      status: 408,
      remedy: expect.stringMatching(/./),
    });
  });
  test('that trickles is not waited for longer than a whole body may take', async () => {
    const { port } = await serve({ body: 300 });
    function* trickle() {
      yield head('/', 'application/json');
      for (;;) yield* [CHUNK, 50];
    }
    expect(await send(port, trickle())).toMatch(/^HTTP\/1.1 408 /);
  });
  test('that is a stream may take longer, as long as it goes on', async () => {
    const { port } = await serve({ body: 100 });
    const answer = await send(port, [
      head('/', 'application/x-ndjson'),
      ...Array.from({ length: 10 }, () => [50, CHUNK]).flat(),
      '0\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer).toContain('read 10');
  });
  test('that is a stream and stands still is a 408 too', async () => {
    const { port } = await serve({ standstill: 300 });
    expect(await send(port, [head('/', 'text/csv'), CHUNK])).toMatch(/^HTTP\/1.1 408 /);
  });
});

test('a handler at work is waited for', async () => {
  const { port } = await serve({ standstill: 300 });
  expect(await send(port, ['GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])).toMatch(/^HTTP\/1.1 200 /);
});

test('a reader that does not read is not', async () => {
  const { web, port } = await serve({ standstill: 300 });
  const connections = () => new Promise((resolve) => web.server.getConnections((_error, count) => resolve(count)));
  const socket = connect(port, 'localhost');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.pause();
  socket.write('GET /much HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(async () => (await connections()) === 1);
  await until(async () => (await connections()) === 0);
  socket.destroy();
  await closed;
  expect(await connections()).toBe(0);
});
