import { createReadStream } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { openCheckpoint } from '../core/checkpoint.js';
import { commitsTo, parseEntry } from '../core/leaf.js';
import { type Hash, leafHash, verifyInclusion } from '../core/merkle.js';
import { decodeBase64, parseVerifier, type Verifier } from '../core/note.js';
import { canonicalEvent } from './canonical-event.js';
import { CHAIN_START, chained, EXPORT_FORMAT } from './export.js';
import type { Fault, Progress, VerifyReport } from './verify.js';

const base64 = z.string().transform((text, context) => {
  const bytes = decodeBase64(text);
  if (bytes) return bytes;
  context.addIssue({ code: 'custom', message: 'not base64' });
  return z.NEVER;
});
const headerLine = z.strictObject({
  kind: z.literal(EXPORT_FORMAT),
  vkeys: z.array(z.string()),
  from: z.string().optional(),
  to: z.string().optional(),
  first: z.number().int().nonnegative(),
  end: z.number().int().nonnegative(),
  checkpoint: z.string(),
});
const leafLine = z.strictObject({
  kind: z.enum(['leaf', 'erasure']),
  index: z.number().int().nonnegative(),
  entry: base64,
  salt: base64.optional(),
  emptiedBy: z.number().int().optional(),
  body: z
    .strictObject({ contact: z.string(), number: z.number(), event: z.record(z.string(), z.unknown()) })
    .optional(),
  proof: z.array(base64),
});
const endLine = z.strictObject({ kind: z.literal('end'), leaves: z.number().int(), chain: base64.optional() });
const line = z.discriminatedUnion('kind', [headerLine, leafLine, endLine]);
type Leaf = z.infer<typeof leafLine>;

function parse(text: string): z.infer<typeof line> | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export interface ExportReport extends Omit<VerifyReport, 'checkpoints' | 'waiting'> {
  /** Nobody gave a verifier key: the file was checked with the one it brings, which shows damage but no forgery. */
  readonly selfSigned: boolean;
}

/** A leaf with its event and proof has some 2 kB; an erasure's line 100 kB at most. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const GZIP = Buffer.from([0x1f, 0x8b]);

/** Lines between newlines and nothing else: a byte that became another kind of line end is a changed byte. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const file = await openFile(path);
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
  await file.close();
  const stream = buffer.equals(GZIP) ? createReadStream(path).pipe(createGunzip()) : createReadStream(path);
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      yield rest.toString('utf8', 0, at);
      rest = rest.subarray(at + 1);
    }
    if (rest.length > MAX_LINE_BYTES) break;
  }
  if (rest.length > 0) yield rest.toString('utf8', 0, MAX_LINE_BYTES);
}

interface ExportCheckParts {
  readonly path: string;
  readonly verifiers: readonly Verifier[] | undefined;
  readonly onProgress: (progress: Progress) => void;
}

interface ExportCheckContext extends ExportCheckParts {
  readonly faults: Fault[];
  readonly unnamed: Map<number, string>;
  readonly state: {
    header: z.infer<typeof headerLine> | undefined;
    tree: { size: number; root: Hash } | undefined;
    next: number;
    entries: number;
    emptied: number;
    ended: boolean;
    wrong: boolean;
    chainless: boolean;
    chain: Buffer;
  };
}

function readHeader(context: ExportCheckContext, first: z.infer<typeof headerLine>): void {
  context.state.header = first;
  context.state.next = first.first;
  const keys = context.verifiers ?? first.vkeys.flatMap((vkey) => parseVerifier(vkey) ?? []);
  context.state.tree = openCheckpoint(first.checkpoint, keys)?.checkpoint;
  if (!context.state.tree)
    context.faults.push({ kind: 'signature', says: 'the checkpoint of this export was not signed by this log' });
}

/** Names the leaf of a line that is no JSON any more, as far as it can be made out. */
function unreadableLine(text: string, at: number): Fault {
  const index = Number(/"index":(\d{1,15})\b/.exec(text)?.[1] ?? Number.NaN);
  const event = /"id":"([0-9A-Z-]{24})"/.exec(text)?.[1];
  if (Number.isNaN(index)) return { kind: 'leaf', says: `a line after leaf ${at - 1} cannot be read` };
  const name = event === undefined ? '' : ` (e_${event})`;
  const says = `the line of leaf ${index}${name} cannot be read`;
  return { kind: 'leaf', index, ...(event === undefined ? {} : { event }), says };
}

function checkLeaf(context: ExportCheckContext, leaf: Leaf): void {
  const { faults, unnamed } = context;
  const { index, entry, salt, body } = leaf;
  const content = parseEntry(entry);
  const event = content?.id ?? '?';
  if (leaf.kind === 'leaf') {
    for (; context.state.next < index; context.state.next++)
      faults.push({
        kind: 'missing',
        index: context.state.next,
        says: `leaf ${context.state.next} is missing from the export`,
      });
    if (index < context.state.next)
      return void faults.push({
        kind: 'reordered',
        index,
        event,
        says: `leaf ${index} (e_${event}) is doubled or out of place`,
      });
    context.state.next++;
  }
  if (
    context.state.tree &&
    !verifyInclusion(index, context.state.tree.size, leafHash(entry), leaf.proof, context.state.tree.root)
  ) {
    return void faults.push({
      kind: 'leaf',
      index,
      event,
      says: `leaf ${index} (e_${event}) is not in the signed tree at this place`,
    });
  }
  if (content?.kind === 'erasure') {
    for (const named of content.empties) context.state.emptied += unnamed.delete(named) ? 1 : 0;
  } else if (!content) faults.push({ kind: 'leaf', index, says: `leaf ${index} is no entry of Hush` });
  else if (!salt) unnamed.set(index, event);
  else if (!body)
    faults.push({
      kind: 'missing',
      index,
      event,
      says: `entry e_${event} of leaf ${index} is missing from the export`,
    });
  else if (commitsTo(entry, salt, canonicalEvent(body))) context.state.entries++;
  else
    faults.push({
      kind: 'changed',
      index,
      event,
      says: `entry e_${event} was changed after it was sealed in leaf ${index}`,
    });
}

async function readAll(context: ExportCheckContext): Promise<void> {
  const { faults, onProgress } = context;
  for await (const text of linesOf(context.path)) {
    const read = parse(text);
    const before = context.state.chain;
    context.state.chain = chained(context.state.chain, text);
    if (context.state.ended) {
      faults.push({ kind: 'leaf', says: 'the export has lines after its last one' });
      break;
    }
    if (!read) faults.push(unreadableLine(text, context.state.next));
    else if (read.kind === EXPORT_FORMAT) {
      if (context.state.header) faults.push({ kind: 'leaf', says: 'the export has a second header' });
      else readHeader(context, read);
    } else if (!context.state.header) break;
    else if (read.kind === 'end') {
      context.state.ended =
        read.leaves === context.state.header.end - context.state.header.first && text === text.trim();
      context.state.wrong = read.chain !== undefined && !read.chain.equals(before);
      context.state.chainless = read.chain === undefined;
    } else {
      checkLeaf(context, read);
      if (context.state.next % 1000 === 0)
        onProgress({
          done: context.state.next - context.state.header.first,
          total: context.state.header.end - context.state.header.first,
        });
    }
  }
}

async function checkAll(context: ExportCheckContext): Promise<ExportReport> {
  const { faults, unnamed } = context;
  try {
    await readAll(context);
  } catch (error) {
    // What gzip's own sums find: the rest cannot be unpacked.
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    faults.push({
      kind: 'leaf',
      says: `the file is damaged: it cannot be unpacked beyond leaf ${context.state.next - 1}`,
    });
  }
  if (context.state.header && context.state.ended && context.state.chainless)
    faults.push({ kind: 'missing', says: 'the last line of the export has no chain over the others' });
  if (!context.state.header)
    faults.push({ kind: 'signature', says: `this is no export of Hush: its first line is not ${EXPORT_FORMAT}` });
  else {
    for (; context.state.next < context.state.header.end; context.state.next++)
      faults.push({
        kind: 'missing',
        index: context.state.next,
        says: `leaf ${context.state.next} is missing from the export`,
      });
    if (context.state.next > context.state.header.end)
      faults.push({ kind: 'leaf', says: `the export has leaves beyond ${context.state.header.end - 1}` });
    if (!context.state.ended)
      faults.push({ kind: 'missing', says: 'the export was cut off: its last line is missing' });
  }
  for (const [index, event] of unnamed) {
    faults.push({
      kind: 'changed',
      index,
      event,
      says: `the salt of leaf ${index} (e_${event}) is gone, and no erasure names it`,
    });
  }
  // Where a leaf is at fault it is named above; what is left are the header and fields that no proof reaches.
  if (context.state.wrong && faults.length === 0)
    faults.push({
      kind: 'changed',
      says: 'a line of the export was changed: its last line does not fit the others',
    });
  const size = context.state.header ? context.state.header.end - context.state.header.first : 0;
  return {
    ok: faults.length === 0,
    size,
    entries: context.state.entries,
    emptied: context.state.emptied,
    faults,
    selfSigned: context.verifiers === undefined,
  };
}

/** One reading of an export, from its first line to its last. */
function createExportCheck(parts: ExportCheckParts) {
  const faults: Fault[] = [];
  const unnamed = new Map<number, string>();
  const state: ExportCheckContext['state'] = {
    header: undefined,
    tree: undefined,
    next: 0,
    entries: 0,
    emptied: 0,
    ended: false,
    wrong: false,
    chainless: false,
    chain: CHAIN_START,
  };
  const context: ExportCheckContext = { ...parts, faults, unnamed, state };
  return {
    run: () => checkAll(context),
  };
}

/**
 * Checks an export by itself: the checkpoint's signature, each leaf's proof and entry, and that no leaf of the range is
 * missing, doubled or moved.
 *
 * @param options.verifiers keys of the log, from `/log/vkey` or the operator
 */
export async function verifyExport(
  path: string,
  options: { readonly verifiers?: readonly Verifier[] } = {},
  onProgress: (progress: Progress) => void = () => {},
): Promise<ExportReport> {
  return createExportCheck({ path, verifiers: options.verifiers, onProgress }).run();
}
