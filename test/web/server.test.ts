import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createWebServer, type WebServer } from '../../src/web/server.js';

let web: WebServer;
let port: number;
beforeAll(async () => {
  web = createWebServer(
    () => false,
    async (request, response) => {
      if (request.url === '/wait') await sleep(900);
      if (request.url === '/early') return response.writeHead(401).end('no');
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
    { headers: 15_000, body: 600, standstill: 400 },
  );
  port = await web.listen(0);
});
afterAll(() => web?.drain(100));

/** Sends pieces with pauses (ms) between them; what came back until the server closed. */
async function send(...pieces: (string | number)[]): Promise<string> {
  const socket = connect(port, 'localhost');
  const answer = text(socket).catch((error: unknown) => `broken: ${error}`);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (typeof piece === 'number') await sleep(piece);
    else socket.write(piece);
  }
  return answer;
}
const head = (path: string, type: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;
const trickle = Array.from({ length: 10 }, () => [100, '1\r\nx\r\n']).flat();

describe('a body', () => {
  test('that stands still is a 408 that says what to do, and the connection ends', async () => {
    const answer = await send(head('/', 'application/json'), '1\r\nx\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      status: 408,
      remedy: expect.stringMatching(/./),
    });
  });
  test('that trickles is not waited for longer than a whole body may take', async () => {
    expect(await send(head('/', 'application/json'), ...trickle)).toMatch(/^HTTP\/1.1 408 /);
  });
  test('that is a stream may take longer, as long as it goes on', async () => {
    const answer = await send(
      head('/', 'application/x-ndjson'),
      ...trickle,
      '0\r\n\r\n',
      50,
      'GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer).toContain('read 10');
  });
  test('that is a stream and stands still is a 408 too', async () => {
    expect(await send(head('/', 'text/csv'), '1\r\nx\r\n')).toMatch(/^HTTP\/1.1 408 /);
  });
});

test('a handler at work is waited for', async () => {
  expect(await send('GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
});

test('a reader that does not read is not', async () => {
  const open = () => new Promise((resolve) => web.server.getConnections((_error, count) => resolve(count)));
  const socket = connect(port, 'localhost');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.pause();
  socket.write('GET /much HTTP/1.1\r\nHost: x\r\n\r\n');
  while ((await open()) === 0) await sleep(10);
  while ((await open()) !== 0) await sleep(50);
  socket.destroy();
  await closed;
});
