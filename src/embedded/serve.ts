/** Starts a found server on its folder and waits until it answers. */
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GuardedChild, lastLines, spawnGuarded } from './child.js';
import type { Server } from './find.js';
import type { Folder } from './folder.js';

/** A running server. */
export interface EmbeddedStore {
  readonly url: string;
  readonly pid: number;
  /** Ends the server in good order and resolves when it is gone; calling it again is harmless. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Each store keeps its data in a folder of its own inside it. */
  readonly dataDir: string;
  /** Takes one line for people: what was found, what is being fetched. */
  readonly say: (line: string) => void;
}

export interface Recipe {
  readonly title: string;
  readonly args: (port: number) => readonly string[];
  /** One attempt to see whether the server can be used, doing what is missing; rejects while it cannot be reached. */
  readonly isReady: (port: number) => Promise<boolean>;
  readonly url: (port: number) => string;
  readonly say: (line: string) => void;
}

/** Recovery after a kill reads the journal, which takes seconds, not minutes, at the sizes of development. */
const READY_LIMIT_MS = 60_000;
/** Longer than a checkpoint of a full cache takes. */
const STOP_GRACE_MS = 15_000;
/** A port that was free may be taken before the server binds it. */
const PORT_ATTEMPTS = 3;

/**
 * Starts the server on a free port of 127.0.0.1.
 *
 * @throws when it ends before it is ready, with the end of its log.
 */
export async function serve(server: Server, folder: Folder, recipe: Recipe): Promise<EmbeddedStore> {
  for (let attempt = 1; ; attempt++) {
    const port = await folder.freePort();
    const output = openSync(folder.log, 'w', 0o600);
    const child = await spawnGuarded(server.program, recipe.args(port), { output, beforeStart: folder.claim }).finally(
      () => closeSync(output),
    );
    if (await becomesReady(child, () => recipe.isReady(port))) {
      await folder.remember(server, port);
      recipe.say(`${recipe.title}: ${server.product} ${server.version} on 127.0.0.1:${port}`);
      return running(child, folder, recipe, port);
    }
    await child.stop(STOP_GRACE_MS);
    await folder.release();
    const log = await readFile(folder.log, 'utf8');
    if (/address already in use/i.test(log) && attempt < PORT_ATTEMPTS) continue;
    const { code, signal } = await child.ended;
    const how = `${server.product} ${server.version} ended with ${code ?? signal} before it was ready`;
    throw new Error(`${recipe.title}: ${how}. Its log, ${folder.log}, ends: ${lastLines(log, 3)}`);
  }
}

function running(child: GuardedChild, folder: Folder, recipe: Recipe, port: number): EmbeddedStore {
  let stopping: Promise<void> | undefined;
  void child.ended.then(({ code, signal }) => {
    if (!stopping) recipe.say(`${recipe.title}: ended by itself (${code ?? signal}); its log is ${folder.log}`);
  });
  child.release();
  return {
    url: recipe.url(port),
    pid: child.pid,
    stop() {
      stopping ??= child.stop(STOP_GRACE_MS).then(() => folder.release());
      return stopping;
    },
  };
}

async function becomesReady(child: GuardedChild, isReady: () => Promise<boolean>): Promise<boolean> {
  let ended = false;
  void child.ended.then(() => {
    ended = true;
  });
  const deadline = Date.now() + READY_LIMIT_MS;
  while (!ended && Date.now() < deadline) {
    if (await isReady().catch(() => false)) return !ended;
    await sleep(15);
  }
  return false;
}
