import { openCheckpoint } from '../core/checkpoint.js';
import { createEdge, type Edge, type FullTile } from '../core/edge.js';
import { commitsTo, parseEntry } from '../core/leaf.js';
import { type Hash, leafHash } from '../core/merkle.js';
import type { Verifier } from '../core/note.js';
import { hashesOfTile, TILE_WIDTH } from '../core/tile.js';
import type { Ledger, LedgerEntry } from '../store/ledger.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import type { LogStores } from '../store/log-stores.js';
import type { LogRow } from '../store/transparency-log.js';
import { canonicalEvent, publicEntry } from './canonical-event.js';
import { publishedNote } from './proofs.js';

/**
 * changed: the entry is not what its leaf commits to · missing: a leaf has no entry · reordered: its place was exchanged
 * · unsealed: an entry without a leaf · leaf: a leaf was changed, removed or moved · root: leaves do not give a signed root
 * · signature: a checkpoint that this log did not sign · rolled_back: fewer leaves than were signed
 */
export type FaultKind =
  | 'changed'
  | 'missing'
  | 'reordered'
  | 'unsealed'
  | 'leaf'
  | 'root'
  | 'signature'
  | 'rolled_back';

export interface Fault {
  readonly kind: FaultKind;
  /** One sentence that names what is wrong. */
  readonly says: string;
  readonly index?: number;
  /** Event id without prefix. */
  readonly event?: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  /** Leaves of the log. */
  readonly size: number;
  /** Leaves whose entry was found unchanged. */
  readonly entries: number;
  /** Leaves whose salt was destroyed, and that an erasure names. */
  readonly emptied: number;
  readonly checkpoints: number;
  /** Entries too young to have a leaf. */
  readonly waiting: number;
  /** The first thousand. */
  readonly faults: readonly Fault[];
}

export interface Progress {
  readonly done: number;
  readonly total: number;
}

const MAX_FAULTS = 1000;
/** An entry older than this (ms) without a leaf is a fault. */
const GRACE = 60_000;
const PAGE = 500;
/** Leaves named in a sentence. */
const NAMED = 20;

interface VerifyParts {
  readonly stores: LogStores;
  readonly ledger: Ledger;
  readonly verifiers: readonly Verifier[];
  /** Checkpoint notes kept elsewhere. */
  readonly trusted?: readonly string[];
  readonly now: number;
  readonly graceMs?: number;
}

function addFault(faults: Fault[], fault: Fault): void {
  if (faults.length < MAX_FAULTS) faults.push(fault);
}

/** Signed roots from `size` on, page by page, with those kept elsewhere among them. */
async function rootsToMeet(parts: VerifyParts, size: number, faults: Fault[]) {
  const { trusted = [], verifiers } = parts;
  const { checkpoints } = parts.stores;
  const pinned = trusted.flatMap((note) => {
    const opened = openCheckpoint(note, verifiers);
    if (!opened)
      addFault(faults, { kind: 'signature', says: 'a checkpoint given to compare with was not signed by this log' });
    else if (opened.checkpoint.size > size) {
      const says = `a checkpoint of ${opened.checkpoint.size} leaves was signed, but the log has ${size}`;
      addFault(faults, { kind: 'rolled_back', says });
    } else return [{ size: opened.checkpoint.size, root: opened.checkpoint.root }];
    return [];
  });
  let page = await checkpoints.following(-1, PAGE);
  let count = 0;
  return {
    pinned,
    count: () => count,
    /** The stored checkpoint of this size. */
    async at(wanted: number): Promise<StoredCheckpoint | undefined> {
      if (page[0] && page[0].size < wanted) page = page.filter((checkpoint) => checkpoint.size >= wanted);
      if (page.length === 0) page = await checkpoints.following(wanted - 1, PAGE);
      if (page[0]?.size !== wanted) return undefined;
      count++;
      return page.shift();
    },
  };
}

interface LedgerCheckParts extends VerifyParts {
  readonly size: number;
  readonly faults: Fault[];
  readonly roots: Awaited<ReturnType<typeof rootsToMeet>>;
  readonly onProgress: (progress: Progress) => void;
}

interface LedgerCheckContext extends LedgerCheckParts {
  readonly unnamed: Map<number, string>;
  readonly graceMs: number;
  readonly state: {
    entries: number;
    emptied: number;
    lastGood: number;
    broken: boolean;
    recent: LogRow[];
  };
}

function report(context: LedgerCheckContext, fault: Fault): void {
  addFault(context.faults, fault);
}

async function meetRoots(context: LedgerCheckContext, edge: Edge): Promise<void> {
  const { roots, verifiers } = context;
  const checkpoint = await roots.at(edge.size);
  if (checkpoint) {
    const opened = openCheckpoint(publishedNote(checkpoint), verifiers);
    if (opened?.checkpoint.size !== checkpoint.size || !opened.checkpoint.root.equals(checkpoint.root)) {
      report(context, {
        kind: 'signature',
        says: `the checkpoint of size ${checkpoint.size} is not one this log signed`,
      });
    }
  }
  const wanted: Hash[] = roots.pinned.filter((pin) => pin.size === edge.size).map(({ root }) => root);
  if (checkpoint) wanted.push(checkpoint.root);
  if (wanted.length === 0) return;
  const root = edge.root();
  if (wanted.every((one) => one.equals(root))) {
    context.state.lastGood = edge.size;
    context.state.recent = [];
  } else if (!context.state.broken) {
    context.state.broken = true;
    const among = context.state.recent.filter(({ index }) => index >= context.state.lastGood).slice(0, NAMED);
    const names = among.map(({ index, event }) => `${index} (e_${event})`).join(', ');
    const says = `leaves ${context.state.lastGood} to ${edge.size - 1} do not give the root signed at size ${edge.size}; look at ${names}`;
    report(context, {
      kind: 'root',
      says,
      ...(among.length === 1 && among[0] ? { index: among[0].index, event: among[0].event } : {}),
    });
  }
}

/** Which of the contact's numbers the leaf commits to, when the entry's own is not it. */
async function committedNumber(
  context: LedgerCheckContext,
  row: LogRow,
  entry: LedgerEntry,
): Promise<number | undefined> {
  const { salt } = row;
  if (!salt) return undefined;
  const history = await context.ledger.ofContact(row.contact, 1000);
  return history
    .map(({ number }) => number)
    .find((number) => commitsTo(row.entry, salt, canonicalEvent(publicEntry({ ...entry, number }))));
}

async function checkEntry(context: LedgerCheckContext, row: LogRow, body: LedgerEntry | undefined): Promise<void> {
  const { index, event } = row;
  const leaf = parseEntry(row.entry);
  if (leaf?.kind === 'erasure') {
    for (const named of leaf.empties) context.state.emptied += context.unnamed.delete(named) ? 1 : 0;
    return;
  }
  if (!leaf || leaf.id !== event)
    return report(context, { kind: 'leaf', index, event, says: `leaf ${index} is not the entry of e_${event}` });
  if (!row.salt) {
    context.unnamed.set(index, event);
    return;
  }
  if (!body)
    return report(context, {
      kind: 'missing',
      index,
      event,
      says: `entry e_${event} of leaf ${index} is missing from the ledger`,
    });
  if (commitsTo(row.entry, row.salt, canonicalEvent(publicEntry(body)))) {
    context.state.entries++;
    return;
  }
  const number = await committedNumber(context, row, body);
  if (number === undefined)
    report(context, {
      kind: 'changed',
      index,
      event,
      says: `entry e_${event} was changed after it was sealed in leaf ${index}`,
    });
  else {
    const says = `entry e_${event} was number ${number} of its contact when it was sealed in leaf ${index}, and is ${body.number} now`;
    report(context, { kind: 'reordered', index, event, says });
  }
}

/** Tiles above the leaves are what others make proofs of. */
async function checkTiles(context: LedgerCheckContext, full: readonly FullTile[]): Promise<void> {
  const upper = full.filter(({ level }) => level > 0);
  const stored = await context.stores.leaves.readTiles(
    upper.map(({ level, index }) => ({ level, index, width: TILE_WIDTH })),
  );
  upper.forEach(({ level, index, hashes }, at) => {
    if (!stored[at]?.equals(hashes))
      report(context, { kind: 'leaf', says: `tile ${level}/${index} is not made of the tiles below it` });
  });
}

async function checkTile(context: LedgerCheckContext, edge: Edge, first: number): Promise<void> {
  const { size } = context;
  const { leaves, queue } = context.stores;
  const width = Math.min(TILE_WIDTH, size - first);
  const rows = new Map((await leaves.range(first, first + width)).map((row) => [row.index, row]));
  const tile =
    width === TILE_WIDTH ? (await leaves.readTiles([{ level: 0, index: first / TILE_WIDTH, width }]))[0] : undefined;
  const stored = tile?.length === TILE_WIDTH * 32 ? hashesOfTile(tile) : undefined;
  const bodies = await queue.bodies([...rows.values()]);
  for (let index = first; index < first + width; index++) {
    const row = rows.get(index);
    const own = row && leafHash(row.entry);
    const hash = stored?.[index - first] ?? own;
    if (!row || !hash) report(context, { kind: 'leaf', index, says: `leaf ${index} is missing from the log` });
    else if (own && !own.equals(hash)) {
      const place = stored?.findIndex((other) => other.equals(own)) ?? -1;
      const moved = place >= 0 ? `belongs at ${first + place}` : 'was changed';
      report(context, { kind: 'leaf', index, event: row.event, says: `leaf ${index} (e_${row.event}) ${moved}` });
    }
    if (row) {
      context.state.recent.push(row);
      await checkEntry(context, row, bodies.get(`${row.contact.toString('hex')}/${row.event}`));
    }
    await checkTiles(context, edge.append(hash ?? leafHash(Buffer.alloc(0))));
    await meetRoots(context, edge);
  }
  // Beyond a tile nobody reads all the names.
  if (context.state.recent.length > 2 * TILE_WIDTH) context.state.recent = context.state.recent.slice(0, TILE_WIDTH);
}

async function checkAll(context: LedgerCheckContext): Promise<VerifyReport> {
  const { size, onProgress, unnamed, now, graceMs, faults, roots } = context;
  const { checkpoints, queue } = context.stores;
  const edge = createEdge();
  await meetRoots(context, edge);
  for (let first = 0; first < size; first += TILE_WIDTH) {
    await checkTile(context, edge, first);
    onProgress({ done: edge.size, total: size });
  }
  const beyond = await checkpoints.following(size, 1);
  if (beyond[0])
    report(context, {
      kind: 'rolled_back',
      says: `a checkpoint of ${beyond[0].size} leaves was published, but the log has ${size}`,
    });
  for (const [index, event] of unnamed) {
    report(context, {
      kind: 'changed',
      index,
      event,
      says: `the salt of leaf ${index} (e_${event}) is gone, and no erasure names it`,
    });
  }
  let waiting = 0;
  for await (const stray of queue.strays()) {
    if (now - stray.since.getTime() < graceMs) waiting++;
    else
      report(context, {
        kind: 'unsealed',
        event: stray.event,
        says: `entry e_${stray.event} has no leaf: it was added past the log, or the sealer stands still`,
      });
  }
  return {
    ok: faults.length === 0,
    size,
    entries: context.state.entries,
    emptied: context.state.emptied,
    checkpoints: roots.count(),
    waiting,
    faults,
  };
}

/** One reading of the record, leaf by leaf. */
function createLedgerCheck(parts: LedgerCheckParts) {
  const graceMs = parts.graceMs ?? GRACE;
  /** Leaves without salt that no erasure has named so far: it comes later in the log. */
  const unnamed = new Map<number, string>();
  const state: LedgerCheckContext['state'] = { entries: 0, emptied: 0, lastGood: 0, broken: false, recent: [] };
  const context: LedgerCheckContext = { ...parts, unnamed, graceMs, state };
  return {
    run: () => checkAll(context),
  };
}

/**
 * Checks the whole record: every leaf against its ledger entry, the tree against every published checkpoint, every
 * checkpoint's signature, and the ledger for entries that have no leaf.
 *
 * @param parts.trusted checkpoint notes kept elsewhere (by a witness, in an export, on paper): only they show that leaves
 * and checkpoints were cut off together
 */
export async function verifyLedger(
  parts: VerifyParts,
  onProgress: (progress: Progress) => void = () => {},
): Promise<VerifyReport> {
  const { size } = await parts.stores.leaves.reached();
  const faults: Fault[] = [];
  const roots = await rootsToMeet(parts, size, faults);
  return createLedgerCheck({ ...parts, size, faults, roots, onProgress }).run();
}
