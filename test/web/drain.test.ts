import { once } from 'node:events';
import { Agent, createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { createDrain, type DrainTimes } from '../../src/web/drain.js';
import { pause, until } from '../support/until.js';

const LIMIT_MS = 60_000;
const servers: Server[] = [];
const agents: Agent[] = [];
afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** A server that answers at once, but `/held` when `release` is called. */
async function serve(times: Partial<DrainTimes>) {
  const held: (() => void)[] = [];
  const server = createServer((incoming, response) => {
    if (incoming.url === '/held') held.push(() => response.end('held'));
    else response.end('done');
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const drain = createDrain(server, { notice: 0, quiet: 0, ...times });
  return { server, port, drain, held, release: () => held.shift()?.() };
}

/** The status and headers of an answer, or the code of the error that came instead. */
async function ask(
  port: number,
  path = '/',
  agent = new Agent({ keepAlive: true }),
): Promise<{ status?: number; headers?: IncomingHttpHeaders; code?: string }> {
  agents.push(agent);
  const sent = request({ port, path, agent, host: '127.0.0.1' });
  sent.end();
  try {
    const [answer] = await once(sent, 'response');
    await text(answer);
    return { status: answer.statusCode, headers: answer.headers };
  } catch (error) {
    return { code: String(Object(error).code) };
  }
}

/** Nothing else runs meanwhile, and nobody who connects is accepted. */
function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('without anybody it ends at once, and a new connection is refused', async () => {
  const { port, drain } = await serve({});
  expect(await ask(port)).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
  await drain(LIMIT_MS);
  expect(await ask(port)).toEqual({ code: 'ECONNREFUSED' });
});

test('those who come while it ends are served, and each is told to come no more on this connection', async () => {
  const { server, port, drain } = await serve({ quiet: 300 });
  const kept = new Agent({ keepAlive: true });
  await ask(port, '/', kept);
  const drained = drain(LIMIT_MS);
  for (let n = 0; n < 10; n++) {
    // A new connection each time but the first, which goes on with the one that was idle.
    expect(await ask(port, '/', n === 0 ? kept : undefined)).toMatchObject({
      status: 200,
      headers: { connection: 'close' },
    });
    await pause(100);
  }
  expect(server.listening).toBe(true);
  await drained;
  expect(server.listening).toBe(false);
});

test('it listens on while it is given notice, though nobody comes', async () => {
  const { server, port, drain } = await serve({ notice: 500 });
  const drained = drain(LIMIT_MS);
  await pause(250);
  expect(await ask(port)).toMatchObject({ status: 200 });
  await drained;
  expect(server.listening).toBe(false);
});

test('a process that stood still serves those who connected meanwhile', async () => {
  const { port, drain } = await serve({ quiet: 400 });
  await ask(port);
  const drained = drain(LIMIT_MS);
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  // The system connects; the server has no turn in which to accept, until the time of all its looks has passed.
  await new Promise((resolve) => process.nextTick(resolve));
  standStill(800);
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 /);
  await drained;
});

test('a request under way is waited for, and connections without one are closed', async () => {
  const { server, port, drain, held, release } = await serve({ quiet: 100 });
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const slow = ask(port, '/held');
  await until(() => held.length === 1);
  let ended = false;
  const drained = drain(LIMIT_MS).then(() => {
    ended = true;
  });
  await pause(400);
  expect([server.listening, ended]).toEqual([true, false]);
  const closed = once(idle.resume(), 'close');
  release();
  expect(await slow).toMatchObject({ status: 200 });
  await Promise.all([closed, drained]);
});

test('what never ends is waited for until the limit', async () => {
  const { server, port, drain, held } = await serve({});
  const cut = ask(port, '/held');
  await until(() => held.length === 1);
  const began = performance.now();
  await drain(300);
  expect(performance.now() - began).toBeGreaterThanOrEqual(290);
  expect([server.listening, await cut]).toEqual([false, { code: 'ECONNRESET' }]);
});

test('those who never stop coming are let in for a part of the limit, not for ever', async () => {
  const { port, drain } = await serve({ quiet: 1000 });
  let asked = 0;
  const client = async () => {
    while ((await ask(port)).status === 200) asked++;
  };
  await ask(port);
  const coming = client();
  await drain(1000);
  await coming;
  expect(asked).toBeGreaterThan(0);
});
