import type { Readable } from 'node:stream';
import busboy from 'busboy';
import type { Request, RequestHandler, Response } from 'express';
import { HushError } from '../../core/errors.js';
import type { StoredUpload } from '../../rights/requests/attachments.js';
import { UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';

/** A file of a form, under the name that its sender gave: stored, or what is wrong with it. */
export interface Upload {
  readonly name: string;
  readonly stored?: StoredUpload;
  readonly fault?: HushError;
}

/** Takes a file as it arrives; undefined for one without a byte. Rejects with HushError for one that is not taken. */
export type TakeFile = (name: string, bytes: AsyncIterable<Buffer>) => Promise<StoredUpload | undefined>;

/** Where the files of a form go. */
export interface FormFiles {
  readonly takerOf: (request: Request, response: Response) => TakeFile | Promise<TakeFile>;
  /** Drops those of them that nobody kept. */
  readonly drop: (uploads: readonly StoredUpload[]) => Promise<void>;
}

const sent = new WeakMap<Request, readonly Upload[]>();

/** The files of a form; those of fields nobody filled in are left out. */
export const uploadsOf = (request: Request): readonly Upload[] => sent.get(request) ?? [];

/** Our largest form has 15 fields and some files. Reading ends at the first part too many. */
const LIMITS = { parts: 80, fields: 50, files: 20, fieldNameSize: 100, fieldSize: 64 * 1024, headerPairs: 20 };
/** Octets of all fields together. */
const FIELDS_LIMIT = 256 * 1024;
/** Octets of a form: the files it may have, and what stands around them. */
const BODY_LIMIT = UPLOAD_LIMIT + FIELDS_LIMIT;
/** No form of a person: it is refused before one byte of it is read. */
const MAX_DECLARED_BYTES = 512 * 1024 * 1024;
/** Octets that a form holds in memory while its files pass: its fields, and a piece of a file twice, open and sealed. */
export const HELD_BYTES = 1024 * 1024;

/** A form whose files are larger than this together: they are not taken, and the form itself is. */
const tooLarge = () =>
  new HushError('too_large', `a form may have ${UPLOAD_LIMIT / 1024 / 1024} MB of files at most`, {
    field: 'file',
    remedy: 'send fewer at once, or smaller ones',
  });
const invalid = (message: string) => new HushError('invalid', message, { remedy: 'send it again' });

/**
 * Reads a form as it arrives. A form that is too large ends where it is: what was read of its fields is kept, and its files
 * have that fault. Throws HushError `invalid` for what is no whole form.
 */
function parse(
  request: Request,
  limit: number,
  take: TakeFile | undefined,
): Promise<{ readonly fields: Record<string, string>; readonly files: readonly Upload[] }> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, string> = Object.create(null);
    const taking: Promise<Upload | undefined>[] = [];
    let open: Readable | undefined;
    let size = 0;
    let fieldBytes = 0;
    const parser = busboy({ headers: request.headers, defParamCharset: 'utf8', limits: LIMITS });

    function end(error?: HushError): void {
      request.off('data', count).off('aborted', broken).off('error', broken);
      request.unpipe(parser);
      if (error) {
        // A client that is still sending would not read the answer: the rest is taken and dropped.
        request.resume();
        parser.removeAllListeners();
        parser.on('error', () => undefined);
        open?.destroy(error);
        parser.destroy();
      }
      // Each has ended by now, or ends by the error: nothing is left that still writes.
      Promise.all(taking).then((all) => {
        const files = all.filter((file) => file !== undefined);
        if (error && !(take && error.kind === 'too_large')) reject(error);
        else resolve({ fields, files });
      }, reject);
    }
    const broken = () => end(invalid('the form did not arrive whole'));
    const tooMany = () => end(invalid('the form has too many fields'));
    const count = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) end(tooLarge());
    };

    async function taken(name: string, stream: Readable): Promise<Upload | undefined> {
      try {
        // Left half read, the stream must not be destroyed: the parser would wait for it for ever.
        const stored = await take?.(name, stream.iterator({ destroyOnReturn: false }));
        return stored && { name, stored };
      } catch (error) {
        if (!(error instanceof HushError)) throw error;
        return name === '' ? undefined : { name, fault: error };
      } finally {
        stream.resume();
      }
    }

    parser.on('field', (name, value, info) => {
      fieldBytes += value.length;
      if (info.nameTruncated || info.valueTruncated || fieldBytes > FIELDS_LIMIT) return tooMany();
      fields[name] ??= value;
    });
    parser.on('file', (_field, stream, { filename }) => {
      open = stream;
      stream.on('error', () => undefined);
      if (!take) return void stream.resume();
      taking.push(taken(filename ?? '', stream));
    });
    parser.on('partsLimit', tooMany).on('fieldsLimit', tooMany).on('filesLimit', tooMany);
    parser.on('error', broken);
    parser.on('close', () => end());
    request.on('data', count).on('aborted', broken).on('error', broken);
    request.pipe(parser);
  });
}

/**
 * Reads `multipart/form-data` into `request.body` and `uploadsOf(request)`; other bodies pass through untouched. Files go
 * where `files` says as they arrive, and are never held; what of them nobody kept by the end of the answer is dropped.
 * Without `files` they are passed over. Throws HushError `invalid`, and `too_large` where there are no files to blame.
 * RFC 7578
 */
export function multipart(files: FormFiles | undefined, limit = BODY_LIMIT): RequestHandler {
  return async (request, response, next) => {
    if (request.method !== 'POST' || !request.is('multipart/form-data')) return next();
    const declared = Number(request.headers['content-length'] ?? 0);
    const isTooLarge = declared > limit;
    if (declared > MAX_DECLARED_BYTES || (isTooLarge && !files)) throw tooLarge();
    const stored: StoredUpload[] = [];
    let form: Awaited<ReturnType<typeof parse>>;
    try {
      form = await parse(request, limit, files && (await takerOf(files)));
    } catch (error) {
      // busboy throws for a type without a boundary.
      throw error instanceof HushError ? error : invalid('the form did not arrive whole');
    }
    request.body = form.fields;
    sent.set(request, form.files);
    next();

    async function takerOf({ takerOf: choose, drop }: FormFiles): Promise<TakeFile> {
      if (isTooLarge) return () => Promise.reject(tooLarge());
      const take = await choose(request, response);
      // The store drops only what no request has taken; what is left over goes by itself within the hour.
      response.once('close', () => drop(stored).catch(() => undefined));
      return async (name, bytes) => {
        const file = await take(name, bytes);
        if (file) stored.push(file);
        return file;
      };
    }
  };
}
