import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { until } from './support/until.js';

/** What `npm run dev` restarts for. A process reads views and words once, so a restart is what shows a change. */
const ROOT = path.resolve(import.meta.dirname, '..');

test('npm run dev starts anew when a view, a word or the configuration changes', async () => {
  const { scripts } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  const [program, ...args] = String(scripts.dev).replaceAll('"', '').split(' ');
  expect(program).toBe('tsx');
  const files = ['views/partials/head.ejs', 'locales/pages.en.yaml', 'config/catalog.yaml'];
  const folder = await mkdtemp(path.join(tmpdir(), 'hush-dev-'));
  const write = async (file: string, text: string) => {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
  };
  for (const file of files) await write(file, 'old');
  await write('package.json', '{"type":"module"}');
  await write(
    'src/main.ts',
    `import { readFileSync } from 'node:fs';
for (const file of ${JSON.stringify(files)}) console.log(file, readFileSync(file, 'utf8'));
setInterval(() => undefined, 1000);`,
  );
  const tsx = path.join(ROOT, 'node_modules/tsx/dist/cli.mjs');
  const child = spawn(process.execPath, [tsx, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += String(chunk);
  });
  try {
    await until(() => printed.includes(`${files.at(-1)} old`));
    for (const file of files) {
      // Written again, as the first write may come before the watcher is at work; ever later, as each write starts the program anew.
      let wait = 500;
      for (let isSeen = false; !isSeen; wait *= 2) {
        await write(file, 'new');
        const since = Date.now();
        isSeen = await until(() => {
          const seen = printed.includes(`${file} new`);
          return seen || Date.now() - since > wait ? { seen } : undefined;
        }).then(({ seen }) => seen);
      }
    }
  } finally {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}, 600_000);
