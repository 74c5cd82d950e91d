import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());

/** The whole answer to a request line that no client library would send. */
async function answer(method: string, target: string, host = 'localhost'): Promise<string> {
  const socket = connect(Number(new URL(hush.url).port));
  socket.end(
    `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
  return text(socket);
}

const PATHS = ['/', '/u/forged', '/p/forged', '/confirm/forged', '/rights/forged', '/access/forged', '/nothing'];
const PAGES = ['/preferences', '/preferences?lang=es', '/rights', '/docs', '/staff', '/staff/people', '/v1/decisions'];

test.each([...PATHS, ...PAGES])('%s leads to no host that the request names', async (path) => {
  for (const method of ['GET', 'POST']) {
    for (const target of [`//evil.example${path}`, `///evil.example${path}`, `/\\evil.example${path}`])
      expect(await answer(method, target)).not.toMatch(/evil\.example/);
    for (const target of [`http://evil.example${path}`, `https://evil.example:444${path}`])
      expect(await answer(method, target)).not.toMatch(/evil\.example/);
    expect(await answer(method, path, 'evil.example')).not.toMatch(/evil\.example/);
  }
});

test('the page in another language is the same page', async () => {
  const page = await (await hush.get('/preferences?from=mail')).text();
  const [, href = ''] = /href="([^"]*)" lang="es"/.exec(page) ?? [];
  const other = new URL(href.replaceAll('&amp;', '&'), `${hush.url}/preferences?from=mail`);
  expect(other.href).toBe(`${hush.url}/preferences?from=mail&lang=es`);
});
