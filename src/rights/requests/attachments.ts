import { encodeBase32 } from '../../core/base32.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Machine } from '../../core/machine.js';
import { openWith, sealWith } from '../../core/seal.js';
import { unavailable } from '../../store/connect.js';
import type { RequestFile, RequestFiles } from '../../store/request-files.js';
import type { RequestRecord } from '../../store/requests.js';
import { chunked } from './chunks.js';
import { createTypeReader, FILES_LIMIT, type FileType, HEAD, safeFileName } from './file-kind.js';
import type { RequestSeal } from './personal.js';
import type { By, Records } from './records.js';

/** A file as a list names it. */
export interface Attachment {
  readonly id: string;
  readonly at: Date;
  readonly by: string;
  readonly byName?: string;
  readonly type: string;
  readonly size: number;
  readonly name: string;
}

/** A file that lies sealed in the store and belongs to no request yet. */
export interface StoredUpload {
  readonly id: string;
  readonly name: string;
  readonly type: FileType;
  readonly size: number;
  readonly chunks: number;
  readonly key: Buffer;
}

/** An upload that no request took is dropped after so long (ms). */
const UNTAKEN_MS = 3_600_000;

const refused = () =>
  new HushError('invalid', 'this file is no PDF, picture of a phone or scanner, or plain text', {
    field: 'file',
    remedy: 'save it as PDF, or take a picture of it',
  });

interface AttachmentParts {
  readonly files: RequestFiles;
  readonly records: Records;
  readonly seal: RequestSeal;
  readonly clock: Clock;
  readonly machine: Pick<Machine, 'randomBytes'>;
}

function pieceContext(id: string, at: number) {
  return Buffer.from(`${id}/${at}`, 'utf8');
}

async function* contentOf(
  parts: AttachmentParts,
  record: RequestRecord,
  file: RequestFile,
  key: Buffer,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < (file.chunks ?? 0); at++) {
    const sealed = await parts.files.chunk(file.id, at);
    const plain = sealed && openWith(key, sealed, pieceContext(file.id, at));
    if (!plain) throw new Error(`piece ${at} of a file of request ${record.id} does not open`);
    yield plain;
  }
}

/**
 * Takes a file as it arrives: piece by piece, sealed under a key of its own. Undefined for one without a byte, of a field
 * nobody filled in. Throws HushError `invalid` for what is not taken, `unavailable`; then nothing of it is left.
 */
async function storeUpload(
  parts: AttachmentParts,
  name: string,
  bytes: AsyncIterable<Buffer>,
): Promise<StoredUpload | undefined> {
  const { clock, files, machine } = parts;
  const id = `f_${encodeBase32(machine.randomBytes(10)).toLowerCase()}`;
  const key = machine.randomBytes(32);
  const reader = createTypeReader();
  const until = new Date(clock.now() + UNTAKEN_MS);
  let size = 0;
  let chunks = 0;
  try {
    for await (const piece of chunked(bytes)) {
      const isFirst = size === 0;
      reader.take(piece);
      if (isFirst && piece.length >= HEAD && !(await reader.beginning())) throw refused();
      await files.keepChunk(id, chunks, sealWith(machine, key, piece, pieceContext(id, chunks)), until);
      size += piece.length;
      chunks++;
    }
    if (size === 0) return undefined;
    const type = await reader.whole();
    if (!type) throw refused();
    return { id, name: safeFileName(name, type), type, size, chunks, key };
  } catch (error) {
    if (chunks > 0) await files.dropUntaken([id]).catch(() => undefined);
    throw unavailable(error);
  }
}

/** Drops what was stored and taken by no request. */
async function dropUploads(parts: AttachmentParts, uploads: readonly StoredUpload[]): Promise<void> {
  if (uploads.length > 0) await parts.files.dropUntaken(uploads.map(({ id }) => id));
}

/** Gives a stored file to its request. Throws HushError `invalid` where it has too many, `conflict`, `unavailable`. */
async function keepFile(parts: AttachmentParts, request: RequestRecord, by: By, upload: StoredUpload): Promise<string> {
  const { seal, files, clock, records } = parts;
  const key = seal.keyOf(request);
  if (!key) throw new HushError('conflict', 'what was personal in this request has been forgotten', {});
  const { id, name, type, size, chunks } = upload;
  try {
    if ((await files.count(request.id)) >= FILES_LIMIT) {
      throw new HushError('invalid', `a request has at most ${FILES_LIMIT} files`, {
        field: 'file',
        remedy: 'put pages together',
      });
    }
    const isAttached = await files.keep({
      id,
      request: request.id,
      at: new Date(clock.now()),
      by: by.id,
      ...(by.name === undefined ? {} : { byName: by.name }),
      type,
      size,
      name: seal.sealText(request.id, key, name),
      chunks,
      key: seal.sealFile(request.id, key, upload.key),
    });
    if (!isAttached) throw new HushError('conflict', 'the file is gone', { remedy: 'send it again' });
  } catch (error) {
    throw unavailable(error);
  }
  await records.onLatest(request.id, (record) =>
    records.change(record, by, by.id.startsWith('staff') ? {} : { unread: true }, {
      what: 'file',
      facts: { file: id, type, size: String(size) },
    }),
  );
  return id;
}

async function listFiles(parts: AttachmentParts, record: RequestRecord): Promise<Attachment[]> {
  const stored = await parts.files.ofRequest(record.id);
  return stored.map(({ name, request: _request, chunks: _chunks, key: _key, ...file }) => ({
    ...file,
    name: parts.seal.text(record, name) ?? 'forgotten',
  }));
}

/**
 * A file with its bytes in pieces, to be sent as a download. Undefined when it is not of this request, or was forgotten.
 */
async function openFile(
  parts: AttachmentParts,
  record: RequestRecord,
  id: string,
): Promise<{ name: string; type: string; size: number; bytes: AsyncIterable<Buffer> } | undefined> {
  const { files, seal } = parts;
  const found = await files.get(record.id, id);
  const name = found && seal.text(record, found.file.name);
  if (!found || !name) return undefined;
  const { type, size } = found.file;
  if (found.file.key) {
    const key = seal.file(record, found.file.key);
    return key && { name, type, size, bytes: contentOf(parts, record, found.file, key) };
  }
  // Kept in one piece, before files went into the store as they arrive.
  const whole = found.sealed && seal.file(record, found.sealed);
  if (!whole) return undefined;
  async function* bytes(content: Buffer): AsyncGenerator<Buffer> {
    yield content;
  }
  return { name, type, size, bytes: bytes(whole) };
}

/**
 * Files of requests: what they are is read off their bytes; they go sealed into the store piece by piece as they arrive, and
 * leave as a download only.
 */
export function createAttachments(parts: AttachmentParts) {
  return {
    store: (name: string, bytes: AsyncIterable<Buffer>) => storeUpload(parts, name, bytes),
    drop: (uploads: readonly StoredUpload[]) => dropUploads(parts, uploads),
    keep: (request: RequestRecord, by: By, upload: StoredUpload) => keepFile(parts, request, by, upload),
    list: (record: RequestRecord) => listFiles(parts, record),
    open: (record: RequestRecord, id: string) => openFile(parts, record, id),
  };
}

export type Attachments = ReturnType<typeof createAttachments>;
