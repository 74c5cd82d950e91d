import { randomBytes } from 'node:crypto';
import { encodeBase32 } from '../core/base32.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import { unavailable } from '../store/connect.js';
import type { RequestFiles } from '../store/request-files.js';
import type { RequestRecord } from '../store/requests.js';
import { FILE_LIMIT, FILES_LIMIT, type FileType, fileTypeOf, safeFileName } from './file-kind.js';
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

/** Files of requests: what they are is read off their bytes; they lie sealed, and leave as a download only. */
export function createAttachments(parts: {
  readonly files: RequestFiles;
  readonly records: Records;
  readonly seal: RequestSeal;
  readonly clock: Clock;
}) {
  const { files, records, seal, clock } = parts;

  /** The type of a file that may be kept. Throws HushError `invalid` or `too_large`. */
  function checked(bytes: Buffer): FileType {
    if (bytes.length > FILE_LIMIT) {
      throw new HushError('too_large', `a file has at most ${FILE_LIMIT / 1024 / 1024} MB`, {
        field: 'file',
        remedy: 'scan it in grey, or split it',
      });
    }
    const type = fileTypeOf(bytes);
    if (!type) {
      throw new HushError('invalid', 'this file is no PDF, PNG, JPEG or plain text', {
        field: 'file',
        remedy: 'save it as PDF, or take a picture of it',
      });
    }
    return type;
  }

  return {
    checked,

    async keep(given: RequestRecord, by: By, file: { readonly name: string; readonly bytes: Buffer }): Promise<string> {
      const type = checked(file.bytes);
      const key = seal.keyOf(given);
      if (!key) throw new HushError('conflict', 'what was personal in this request has been forgotten', {});
      if ((await files.count(given.id)) >= FILES_LIMIT) {
        throw new HushError('invalid', `a request has at most ${FILES_LIMIT} files`, {
          field: 'file',
          remedy: 'put pages together',
        });
      }
      const id = `f_${encodeBase32(randomBytes(10)).toLowerCase()}`;
      try {
        await files.keep(
          {
            id,
            request: given.id,
            at: new Date(clock.now()),
            by: by.id,
            ...(by.name === undefined ? {} : { byName: by.name }),
            type,
            size: file.bytes.length,
            name: seal.sealText(given.id, key, safeFileName(file.name, type)),
          },
          seal.sealFile(given.id, key, file.bytes),
        );
      } catch (error) {
        throw unavailable(error);
      }
      await records.onLatest(given.id, (record) =>
        records.change(record, by, by.id.startsWith('staff') ? {} : { unread: true }, {
          what: 'file',
          facts: { file: id, type, size: String(file.bytes.length) },
        }),
      );
      return id;
    },

    async list(record: RequestRecord): Promise<Attachment[]> {
      const kept = await files.ofRequest(record.id);
      return kept.map(({ name, request: _request, ...file }) => ({
        ...file,
        name: seal.text(record, name) ?? 'forgotten',
      }));
    },

    /** The bytes, to be sent as a download. Undefined when it is not of this request, or was forgotten. */
    async open(record: RequestRecord, id: string): Promise<{ name: string; type: string; bytes: Buffer } | undefined> {
      const found = await files.get(record.id, id);
      const bytes = found && seal.file(record, found.sealed);
      const name = found && seal.text(record, found.file.name);
      return found && bytes && name ? { name, type: found.file.type, bytes } : undefined;
    },
  };
}

export type Attachments = ReturnType<typeof createAttachments>;
