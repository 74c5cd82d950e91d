import busboy from 'busboy';
import type { Request, RequestHandler } from 'express';
import { HushError } from '../core/errors.js';

/** A file as a form sent it: name and type are what the sender says. */
export interface Upload {
  readonly field: string;
  readonly name: string;
  readonly bytes: Buffer;
}

const sent = new WeakMap<Request, readonly Upload[]>();

/** The files of a form; empty ones, of fields nobody filled in, are left out. */
export const uploadsOf = (request: Request): readonly Upload[] => sent.get(request) ?? [];

/** Our largest form has 15 fields and a file. Reading ends at the first part too many. */
const LIMITS = { parts: 60, fields: 50, files: 5, fieldNameSize: 100, fieldSize: 64 * 1024, headerPairs: 20 };

/** A file of 5 MB and the fields around it. */
export const UPLOAD_LIMIT = 5 * 1024 * 1024 + 256 * 1024;

const tooLarge = (limit: number) =>
  new HushError('too_large', `a form may have ${limit} bytes`, { remedy: 'send less at once' });
const invalid = (message: string) => new HushError('invalid', message, { remedy: 'send it again' });

/** Reads a form as it arrives. Throws HushError: `invalid`, or `too_large` past `limit` bytes; the rest is not read then. */
function parse(request: Request, limit: number): Promise<{ fields: Record<string, string>; files: Upload[] }> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, string> = Object.create(null);
    const files: Upload[] = [];
    let size = 0;
    const parser = busboy({
      headers: request.headers,
      defParamCharset: 'utf8',
      limits: { ...LIMITS, fileSize: limit },
    });

    function end(error?: HushError): void {
      request.off('data', count).off('aborted', broken).off('error', broken);
      request.unpipe(parser);
      if (error) {
        // A client that is still sending would not read the answer: the rest is taken and dropped.
        request.resume();
        parser.removeAllListeners();
        parser.on('error', () => undefined);
        parser.destroy();
        reject(error);
      } else resolve({ fields, files });
    }
    const broken = () => end(invalid('the form did not arrive whole'));
    const tooMany = () => end(invalid('the form has too many fields'));
    const count = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) end(tooLarge(limit));
    };

    parser.on('field', (name, value, info) => {
      if (info.nameTruncated || info.valueTruncated) return tooMany();
      fields[name] ??= value;
    });
    parser.on('file', (field, stream, { filename }) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => undefined);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const bytes = Buffer.concat(chunks);
        if (bytes.length > 0) files.push({ field, name: filename ?? '', bytes });
      });
    });
    parser.on('partsLimit', tooMany).on('fieldsLimit', tooMany).on('filesLimit', tooMany);
    parser.on('error', broken);
    parser.on('close', () => end());
    request.on('data', count).on('aborted', broken).on('error', broken);
    request.pipe(parser);
  });
}

/**
 * Reads `multipart/form-data` of at most `limit` bytes into `request.body` and `uploadsOf(request)`; other bodies pass
 * through untouched. RFC 7578
 */
export function multipart(limit: number): RequestHandler {
  return async (request, _response, next) => {
    if (request.method !== 'POST' || !request.is('multipart/form-data')) return next();
    if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
    let form: Awaited<ReturnType<typeof parse>>;
    try {
      form = await parse(request, limit);
    } catch (error) {
      // busboy throws for a type without a boundary.
      throw error instanceof HushError ? error : invalid('the form did not arrive whole');
    }
    request.body = form.fields;
    sent.set(request, form.files);
    next();
  };
}
