import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { needing, SHARED } from '../needs.js';

/** A provider's own description beside the checkout, with the `test` of what needs it: nothing of them is kept here. */
export function providerDescription(name: string) {
  const path = resolve(SHARED, 'specs', name);
  return { path, ...needing(existsSync(path) ? undefined : `${path} is not there: set HUSH_SHARED`) };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** Prism on a provider's description: with `--errors` it refuses whatever the description does not allow. */
export async function startPrism(path: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      resolve('node_modules/@stoplight/prism-cli/dist/index.js'),
      'mock',
      path,
      '--errors',
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await new Promise<void>((done, failed) => {
    const late = setTimeout(() => failed(new Error('Prism did not start within 40 s')), 40_000);
    child.stdout.on('data', (text: Buffer) => {
      if (!text.toString().includes('is listening')) return;
      clearTimeout(late);
      done();
    });
    child.once('exit', (code) => failed(new Error(`Prism ended with ${code}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      child.kill();
      return ended;
    },
  };
}
