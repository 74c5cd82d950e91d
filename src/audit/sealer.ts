import type { Logger } from 'pino';
import { checkpointText, openCheckpoint } from '../core/checkpoint.js';
import type { Clock } from '../core/clock.js';
import { createEdge, type Edge, type FullTile } from '../core/edge.js';
import { erasureEntries, eventEntry, parseEntry, SALT_BYTES } from '../core/leaf.js';
import type { Machine } from '../core/machine.js';
import { type Hash, leafHash, treeRoot } from '../core/merkle.js';
import { noteText } from '../core/note.js';
import { hashesFromTiles } from '../core/tile.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import type { Forgetting, Unsealed } from '../store/log-queue.js';
import type { LogStores } from '../store/log-stores.js';
import type { LogRow } from '../store/transparency-log.js';
import { canonicalEvent, publicEntry } from './canonical-event.js';
import type { LogSigner } from './log-keys.js';

/** Leaves in one insert. */
const BATCH = 500;
/** Leaves under one checkpoint: what a long backlog adds before it is signed. */
const BATCH_SIZE = 20_000;
/** Erasures a round takes. */
const FORGETS = 20;

/** What the store holds does not follow from what was signed. Nothing is signed until somebody has looked. */
export class LogDamaged extends Error {
  override readonly name = 'LogDamaged';
}

export interface SealerParts {
  readonly stores: LogStores;
  readonly signer: LogSigner;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Pick<Logger, 'warn' | 'error' | 'info'>;
}

interface SealerContext extends SealerParts {
  readonly state: {
    edge: Edge | undefined;
    /** Set when others may have added leaves: the tail is read, and events are compared with those that have leaves. */
    careful: boolean;
    published: { size: number; signedWith: number } | undefined;
  };
}

/** The edge the store has reached, proven to go on from the last signed checkpoint. */
async function provenEdge(context: SealerContext): Promise<Edge> {
  const { checkpoints, leaves } = context.stores;
  // The checkpoint first: the size read after it can only be larger, whatever others do meanwhile.
  const latest = await checkpoints.latest();
  const reached = await leaves.reached();
  if (context.state.edge?.size === reached.size && context.state.edge.root().equals(reached.root))
    return context.state.edge;
  context.state.careful = true;
  context.state.published = undefined;
  const loaded = createEdge(reached.size, await leaves.edgeLevels(reached.size));
  if (!loaded.root().equals(reached.root))
    throw new LogDamaged(`the tiles do not give the root of size ${reached.size}`);
  if (latest) await extendsCheckpoint(context, reached.size, latest);
  context.state.edge = loaded;
  return loaded;
}

async function extendsCheckpoint(context: SealerContext, size: number, latest: StoredCheckpoint): Promise<void> {
  const { signer } = context;
  const { leaves } = context.stores;
  const opened = openCheckpoint(latest.note, signer.verifiers);
  if (!opened || opened.checkpoint.origin !== signer.origin) {
    throw new LogDamaged(`the checkpoint of size ${latest.size} was not signed by this log`);
  }
  if (opened.checkpoint.size > size) {
    throw new LogDamaged(`a checkpoint of size ${opened.checkpoint.size} was signed, but only ${size} leaves are here`);
  }
  const root = await treeRoot(opened.checkpoint.size, hashesFromTiles(opened.checkpoint.size, leaves.readTiles));
  if (!root.equals(opened.checkpoint.root)) {
    throw new LogDamaged(`the first ${opened.checkpoint.size} leaves are not those that were signed`);
  }
}

function appendLeaves(grown: Edge, full: FullTile[], rows: readonly LogRow[]): void {
  for (const row of rows) full.push(...grown.append(leafHash(row.entry)));
}

async function adoptTail(context: SealerContext, grown: Edge, full: FullTile[]): Promise<number> {
  let adopted = 0;
  for (;;) {
    const tail = await context.stores.leaves.range(grown.size, grown.size + BATCH);
    const gap = tail.findIndex((row, place) => row.index !== grown.size + place);
    const rows = gap < 0 ? tail : tail.slice(0, gap);
    appendLeaves(grown, full, rows);
    adopted += rows.length;
    if (rows.length < BATCH) return adopted;
  }
}

function rowsFor({ machine }: SealerContext, waiting: readonly Unsealed[], from: number): LogRow[] {
  const salts = machine.randomBytes(SALT_BYTES * waiting.length);
  return waiting.map(({ entry }, place) => {
    const salt = salts.subarray(place * SALT_BYTES, (place + 1) * SALT_BYTES);
    const bytes = eventEntry(entry.event.id, salt, canonicalEvent(publicEntry(entry)));
    return { index: from + place, entry: bytes, event: entry.event.id, contact: entry.key, salt };
  });
}

async function addEvents(context: SealerContext, grown: Edge, full: FullTile[], cautious: boolean): Promise<void> {
  const { queue, leaves } = context.stores;
  for (let added = 0; added < BATCH_SIZE; ) {
    const waiting = await queue.unsealed(BATCH);
    if (waiting.length === 0) return;
    const pairs = waiting.map(({ entry }) => ({ contact: entry.key, event: entry.event.id }));
    const sealed = cautious ? await leaves.known(pairs) : new Set<string>();
    const fresh = waiting.filter(({ entry }) => !sealed.has(`${entry.key.toString('hex')}/${entry.event.id}`));
    const rows = rowsFor(context, fresh, grown.size);
    context.state.careful = !(await leaves.append(rows));
    // Somebody else was faster: what of ours went in is in the tail, and the next round begins with that.
    if (context.state.careful) return;
    appendLeaves(grown, full, rows);
    await queue.settle(waiting.map(({ row }) => row));
    added += waiting.length;
    if (waiting.length < BATCH) return;
  }
}

/** Names the leaves of an erased contact in a leaf of their own; only then destroys their salts. */
async function forget(context: SealerContext, forgetting: Forgetting, grown: Edge, full: FullTile[]): Promise<void> {
  const { queue, leaves } = context.stores;
  if (await queue.isWaiting(forgetting.contact)) return;
  const rows = await leaves.ofContact(forgetting.contact);
  const namedBy = new Map<number, number>();
  for (const row of rows) {
    const leaf = parseEntry(row.entry);
    if (leaf?.kind === 'erasure') for (const index of leaf.empties) namedBy.set(index, row.index);
  }
  const salted = rows.filter(({ salt }) => salt !== undefined).map(({ index }) => index);
  const unnamed = salted.filter((index) => !namedBy.has(index));
  const added = erasureEntries(forgetting.event, unnamed).map((entry, place): LogRow => {
    const leaf = parseEntry(entry);
    const empties = leaf?.kind === 'erasure' ? leaf.empties : [];
    for (const index of empties) namedBy.set(index, grown.size + place);
    return {
      index: grown.size + place,
      entry,
      event: forgetting.event,
      contact: forgetting.contact,
      empties: empties[0] ?? 0,
    };
  });
  context.state.careful = !(await leaves.append(added));
  if (context.state.careful) return;
  appendLeaves(grown, full, added);
  for (const by of new Set(namedBy.values())) {
    await leaves.destroySalts(
      salted.filter((index) => namedBy.get(index) === by),
      by,
    );
  }
  await queue.finishForget(forgetting);
}

/** Signs and publishes the tree of this size; nothing when that is done and the keys are the same. */
async function publish(context: SealerContext, size: number, root: Hash): Promise<StoredCheckpoint | undefined> {
  const { signer, clock } = context;
  const { checkpoints } = context.stores;
  const text = checkpointText({ origin: signer.origin, size, root });
  const signatures = await signer.sign(text);
  if (context.state.published?.size === size && context.state.published.signedWith === signatures.length)
    return undefined;
  const checkpoint = { size, root, at: clock.now(), note: noteText({ text, signatures }) };
  const earlier = await checkpoints.publish(checkpoint);
  if (earlier && !earlier.root.equals(root)) throw new LogDamaged(`size ${size} was published with another root`);
  if (earlier && earlier.note !== checkpoint.note) await checkpoints.resign(size, root, checkpoint.note);
  context.state.published = { size, signedWith: signatures.length };
  return earlier ? undefined : { ...checkpoint, cosignatures: [] };
}

/** One round: takes in what waits, moves the size on and signs. Returns what was published, and how many were added. */
async function sealRound(context: SealerContext): Promise<{ added: number; checkpoint?: StoredCheckpoint }> {
  const { queue, leaves } = context.stores;
  try {
    const before = await provenEdge(context);
    const grown = before.copy();
    const full: FullTile[] = [];
    const cautious = context.state.careful;
    if (cautious) await adoptTail(context, grown, full);
    context.state.careful = false;
    await addEvents(context, grown, full, cautious);
    for (const forgetting of context.state.careful ? [] : await queue.forgets(FORGETS)) {
      if (!context.state.careful) await forget(context, forgetting, grown, full);
    }
    const root = grown.root();
    if (grown.size > before.size) {
      await leaves.keepTiles(full);
      if (!(await leaves.advance(before.size, grown.size, root))) {
        context.state.edge = undefined;
        return { added: 0 };
      }
      context.state.edge = grown;
    }
    const checkpoint = await publish(context, grown.size, root);
    return { added: grown.size - before.size, ...(checkpoint ? { checkpoint } : {}) };
  } catch (error) {
    context.state.edge = undefined;
    context.state.careful = true;
    throw error;
  }
}

/** Finds entries that nothing marked, when the counts say that there are some. */
async function catchUp(context: SealerContext): Promise<number> {
  const { queue } = context.stores;
  const { log } = context;
  if (!(await queue.seemsBehind())) return 0;
  log.warn('the ledger has entries without leaves; looking for them');
  return queue.catchUp();
}

/**
 * Adds leaves and signs checkpoints. Any number of sealers may run at once, and each may die anywhere:
 *
 * 1. leaves are inserted one after the other at the next index, which is unique, as is the event. Once a majority has a
 *    leaf it never changes, so every sealer computes the same root for a size;
 * 2. full tiles are stored; every sealer writes the same bytes;
 * 3. size and root move on together, by compare-and-set;
 * 4. only what came through 3 is signed, and only as an extension of the last checkpoint;
 * 5. the checkpoint is published under its size, which is unique.
 *
 * Leaves that a sealer left behind between 1 and 3 are the tail: the next one takes them over as they are.
 */
export function createLogSealer(parts: SealerParts) {
  const state: SealerContext['state'] = { edge: undefined, careful: true, published: undefined };
  const context: SealerContext = { ...parts, state };
  return {
    round: () => sealRound(context),
    catchUp: () => catchUp(context),
  };
}

export type LogSealer = ReturnType<typeof createLogSealer>;
