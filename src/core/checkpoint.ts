import { HASH_BYTES, type Hash, leafHash, verifyInclusion } from './merkle.js';
import { decodeBase64, parseNote, type SignedNote, type Verifier, verifyNote } from './note.js';

/** What a log commits to: its first `size` leaves have this root. */
export interface Checkpoint {
  /** The log's name: its public prefix without scheme. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** C2SP tlog-checkpoint, "Note text": origin, size in decimal, root in base64; a line each. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Reads a checkpoint's text; extension lines after the third are allowed and passed over. */
export function parseCheckpointText(text: string): Checkpoint | undefined {
  const [, origin, digits, hash] = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/=]+)\n(?:[^\n]+\n)*$/.exec(text) ?? [];
  if (origin === undefined || digits === undefined || hash === undefined) return undefined;
  const size = Number(digits);
  const root = decodeBase64(hash);
  return root?.length === HASH_BYTES && Number.isSafeInteger(size) ? { origin, size, root } : undefined;
}

/** A checkpoint that one of these keys signed for its origin, with the note around it; undefined for any other. */
export function openCheckpoint(
  note: string,
  verifiers: readonly Verifier[],
): { readonly checkpoint: Checkpoint; readonly note: SignedNote; readonly by: readonly Verifier[] } | undefined {
  const parsed = parseNote(note);
  const by = parsed && verifyNote(parsed, verifiers);
  const checkpoint = parsed && parseCheckpointText(parsed.text);
  return parsed && by && checkpoint && by.every(({ name }) => name === checkpoint.origin)
    ? { checkpoint, note: parsed, by }
    : undefined;
}

/** A proof that can be checked offline, years later, with nothing but the log's verifier key. */
export interface TlogProof {
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly hashes: readonly Hash[];
  /** The checkpoint note, verbatim. */
  readonly checkpoint: string;
}

const PROOF_HEADER = 'c2sp.org/tlog-proof@v1';

/** C2SP tlog-proof, "Format". */
export function tlogProofText({ index, hashes, checkpoint }: TlogProof): string {
  const lines = [PROOF_HEADER, `index ${index}`, ...hashes.map((hash) => hash.toString('base64'))];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Reads a `.tlog-proof`; its optional `extra` line, which nothing authenticates, is passed over. */
export function parseTlogProof(text: string): TlogProof | undefined {
  const end = text.indexOf('\n\n');
  if (end < 0) return undefined;
  const [header, ...rest] = text.slice(0, end).split('\n');
  if (header !== PROOF_HEADER) return undefined;
  const [position, ...proof] = rest[0]?.startsWith('extra ') ? rest.slice(1) : rest;
  const [, digits] = /^index (0|[1-9]\d{0,15})$/.exec(position ?? '') ?? [];
  const hashes = proof.map(decodeBase64).filter((hash) => hash?.length === HASH_BYTES);
  const whole = hashes.filter((hash) => hash !== undefined);
  if (digits === undefined || whole.length !== proof.length) return undefined;
  return { index: Number(digits), hashes: whole, checkpoint: text.slice(end + 2) };
}

/** C2SP tlog-proof, "Verifying": the checkpoint is the log's, and the entry is in its tree at the index. */
export function verifyTlogProof(
  text: string,
  entry: Uint8Array,
  verifiers: readonly Verifier[],
): Checkpoint | undefined {
  const proof = parseTlogProof(text);
  const opened = proof && openCheckpoint(proof.checkpoint, verifiers);
  if (!proof || !opened) return undefined;
  const { size, root } = opened.checkpoint;
  return verifyInclusion(proof.index, size, leafHash(entry), proof.hashes, root) ? opened.checkpoint : undefined;
}
