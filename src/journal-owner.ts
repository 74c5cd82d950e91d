import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Fingerprints } from './config/secrets.js';

/** Beside the journal's files: whose they are, so that a start without the database can add to them. */
const FILE = 'owner.json';

const ownerSchema = z.object({
  installation: z.string().min(1),
  secrets: z.object({ lookup: z.string(), roots: z.record(z.string(), z.string()) }),
});

/** The installation that a journal's folder belongs to, and what its secrets look like. */
export interface JournalOwner {
  readonly installation: string;
  readonly secrets: Fingerprints;
}

/** Notes whose journal it is, each time the database has said so. */
export async function noteJournalOwner(folder: string, owner: JournalOwner): Promise<void> {
  await writeFile(path.join(folder, FILE), JSON.stringify(owner), { mode: 0o600 });
}

/** Whose journal it is; undefined where no start of before has noted that. */
export async function journalOwner(folder: string): Promise<JournalOwner | undefined> {
  const text = await readFile(path.join(folder, FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    // Broken off while it was written: the next start writes it anew.
    return undefined;
  }
}
