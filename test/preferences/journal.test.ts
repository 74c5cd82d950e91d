import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pino from 'pino';
import { machine } from '../../src/machine.js';
import { createJournal, type Journal } from '../../src/preferences/journal.js';
import { createJournalDisk } from '../../src/preferences/journal-disk.js';
import type { Append } from '../../src/store/contacts.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const log = pino({ level: 'silent' });
const INSTALLATION = 'a1b2c3d4e5f60718';

let dir: string;
let journals: Journal[];
let children: ChildProcess[];
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hush-journal-'));
  journals = [];
  children = [];
});
afterEach(async () => {
  for (const journal of journals) await journal.close();
  for (const child of children) child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

function journalOf(installation = INSTALLATION): Journal {
  const journal = createJournal({ disk: createJournalDisk(dir), installation, machine, log });
  journals.push(journal);
  return journal;
}

const append = (id: string): Append => ({
  key: Buffer.alloc(16, 7),
  type: 'email',
  event: {
    id: id as never,
    type: 'opted_out',
    at: 1,
    recorded: 1024,
    scope: { brand: '*', channel: '*', purpose: '*', topic: '*' },
    source: { kind: 'one_click' },
    sealed: Buffer.from('sealed'),
  },
});

/** Ids that a replay brings to the store. */
async function replayed(journal: Journal): Promise<string[]> {
  const ids: string[] = [];
  await journal.replay(async ({ event }) => {
    ids.push(event.id);
  });
  return ids.sort();
}

/** A process of its own that keeps an opt-out and lives on; it takes itself for pid 1. */
async function holder(id: string, installation = INSTALLATION): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(import.meta.dirname, 'hold-journal.ts'), dir, installation, id],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
  });
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

test('of processes that each take themselves for pid 1, the living keep their journal and the killed are replayed', async () => {
  const [first, second] = [await holder('first'), await holder('second')];
  const journal = journalOf();
  expect(await replayed(journal)).toEqual([]);
  expect((await readdir(dir)).length).toBe(2);
  await killed(first);
  expect(await replayed(journal)).toEqual(['first']);
  expect((await readdir(dir)).length).toBe(1);
  await killed(second);
  expect(await replayed(journal)).toEqual(['second']);
  expect(await readdir(dir)).toEqual([]);
});

test('two journals of one process leave each other alone', async () => {
  const [one, other] = [journalOf(), journalOf()];
  await one.write(append('mine'));
  expect(await replayed(other)).toEqual([]);
  expect(await replayed(one)).toEqual(['mine']);
  expect(await readdir(dir)).toEqual([]);
});

test('what another installation left in the same folder is not ours to replay', async () => {
  await killed(await holder('foreign', '0000000000000000'));
  expect(await replayed(journalOf())).toEqual([]);
  expect(await replayed(journalOf('0000000000000000'))).toEqual(['foreign']);
});

test('a store that is still unavailable leaves everything for the next replay, also of what was kept meanwhile', async () => {
  const journal = journalOf();
  await journal.write(append('one'));
  await expect(
    journal.replay(async () => {
      await journal.write(append('two'));
      throw new Error('unavailable');
    }),
  ).rejects.toThrow('unavailable');
  expect(await replayed(journal)).toEqual(['one', 'two']);
  expect(await readdir(dir)).toEqual([]);
});

test('what a stopped process could not replay is taken over by the next', async () => {
  const journal = createJournal({ disk: createJournalDisk(dir), installation: INSTALLATION, machine, log });
  await journal.write(append('left'));
  await journal.close();
  expect(await replayed(journalOf())).toEqual(['left']);
});

test('half a line at the end was never acknowledged; a damaged line in between is kept, and the rest is replayed', async () => {
  const journal = createJournal({ disk: createJournalDisk(dir), installation: INSTALLATION, machine, log });
  for (const id of ['one', 'two', 'three']) await journal.write(append(id));
  await journal.close();
  const [name = ''] = await readdir(dir);
  const file = path.join(dir, name);
  const [first, second, third] = (await readFile(file, 'utf8')).split('\n');
  await writeFile(file, `${[first, second?.slice(0, 40), third].join('\n')}\n`);
  await appendFile(file, first?.slice(0, 30) ?? '');
  expect(await replayed(journalOf())).toEqual(['one', 'three']);
  expect(await readdir(dir)).toEqual([`${name}.damaged`]);
});

test('a file of the first form, which named its process, is replayed once its process cannot write it any more', async () => {
  const journal = createJournal({ disk: createJournalDisk(dir), installation: INSTALLATION, machine, log });
  await journal.write(append('old'));
  await journal.close();
  const [name = ''] = await readdir(dir);
  await writeFile(path.join(dir, '1-0123456789ab-0.ndjson.replay'), await readFile(path.join(dir, name)));
  await rm(path.join(dir, name));
  expect(await replayed(journalOf())).toEqual(['old']);
});

test('holds what it wrote until that is in the store, and no longer', async () => {
  const journal = journalOf();
  expect(journal.holds()).toBe(false);
  await journal.write(append('first'));
  expect(journal.holds()).toBe(true);
  let written: Promise<unknown> | undefined;
  // Written while the others are on their way: not in the store when they are.
  await journal.replay(async () => {
    written ??= journal.write(append('second'));
    await written;
  });
  expect(journal.holds()).toBe(true);
  await expect(journal.replay(() => Promise.reject(new Error('unavailable')))).rejects.toThrow('unavailable');
  expect(journal.holds()).toBe(true);
  expect(await replayed(journal)).toEqual(['second']);
  expect(journal.holds()).toBe(false);
});

test('begins no new file at each try while the store is unavailable', async () => {
  const journal = journalOf();
  for (const id of ['one', 'two', 'three', 'four']) {
    await journal.write(append(id));
    await expect(journal.replay(() => Promise.reject(new Error('unavailable')))).rejects.toThrow('unavailable');
  }
  expect(await readdir(dir)).toHaveLength(2);
  expect(await replayed(journal)).toEqual(['four', 'one', 'three', 'two']);
});
