import { fileTypeFromBuffer } from 'file-type';

/** Media types that may be attached to a request, with the ending that a file of it gets. */
const ENDINGS = {
  'application/pdf': 'pdf',
  'image/png': 'png',
  'image/jpeg': 'jpg',
  // What phones take pictures in: HEIC (ISO/IEC 23008-12) on iPhones and some others, WebP, AVIF.
  'image/heic': 'heic',
  'image/heif': 'heif',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'text/plain': 'txt',
} as const;
export type FileType = keyof typeof ENDINGS;

/** For the `accept` of a form. */
export const ACCEPTED = 'image/*,.heic,.heif,.pdf,application/pdf,.txt,text/plain';

/** Files of one request. */
export const FILES_LIMIT = 20;
/** Bytes of all files that are sent at once: some photos of a phone, or a scan of forty pages. */
export const UPLOAD_LIMIT = 20 * 1024 * 1024;

const isAccepted = (type: string): type is FileType => Object.hasOwn(ENDINGS, type);

/** Bytes from the beginning that determine the type. */
export const HEAD = 4100;
const TAIL = 1024;

/** What a whole file ends with. A photo of a phone may carry a film behind its picture, so of these nothing is asked. */
const ENDS: Partial<Record<FileType, (tail: Buffer) => boolean>> = {
  'application/pdf': (tail) => tail.includes('%%EOF'),
  'image/png': (tail) => tail.subarray(-12).includes('IEND'),
};

/** What browsers might take for a page or a program, if it were ever served as what it says it is. */
const MARKUP = /<\s*(!doctype|html|head|body|script|svg|iframe|object|embed|\?xml|\?php)/i;
/** Longer than any beginning of `MARKUP`, so that none is missed between two pieces. */
const OVERLAP = 40;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000e-\u001f\u007f]/;

/**
 * Tells what a file is while it passes, whatever name and label say: by its first bytes, its last, and of a text by all of
 * them. Holds the head and the tail, never the file.
 */
export function createTypeReader() {
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  let words = '';
  let isText = true;
  const decoder = new TextDecoder('utf-8', { fatal: true });

  function readText(bytes: Buffer, isLast: boolean): void {
    if (!isText) return;
    try {
      words = words.slice(-OVERLAP) + decoder.decode(bytes, { stream: !isLast });
      isText = !CONTROL.test(words) && !MARKUP.test(words);
    } catch {
      isText = false;
    }
  }

  async function beginning(): Promise<FileType | undefined> {
    const found = (await fileTypeFromBuffer(head))?.mime.replace(/-sequence$/, '');
    if (found !== undefined && isAccepted(found)) return found;
    // A text may begin as something else does: "BMW" is no bitmap.
    return head.length > 0 && isText ? 'text/plain' : undefined;
  }

  return {
    take(bytes: Buffer): void {
      if (head.length < HEAD) head = Buffer.concat([head, bytes.subarray(0, HEAD - head.length)]);
      tail = Buffer.concat([tail, bytes.subarray(-TAIL)]).subarray(-TAIL);
      readText(bytes, false);
    },

    /** What it is as far as it was read; undefined for what is not taken. */
    beginning,

    /** What it is, once it is whole. */
    async whole(): Promise<FileType | undefined> {
      readText(Buffer.alloc(0), true);
      const type = await beginning();
      return type && (ENDS[type]?.(tail) ?? true) ? type : undefined;
    },
  };
}

/** A name that is safe in a header and on a disk, with the ending of what the file is. */
export function safeFileName(name: string, type: FileType): string {
  const base = name
    .normalize('NFKD')
    .replace(/^.*[\\/]/, '')
    .replace(/\.[A-Za-z0-9]{1,8}$/, '')
    .replace(/[^A-Za-z0-9 _-]+/g, '_')
    .replace(/^[\s_]+|[\s_]+$/g, '')
    .slice(0, 60);
  return `${base || 'attachment'}.${ENDINGS[type]}`;
}
