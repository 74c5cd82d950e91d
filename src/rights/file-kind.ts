/** Media types that may be attached to a request. */
export const FILE_TYPES = ['application/pdf', 'image/png', 'image/jpeg', 'text/plain'] as const;
export type FileType = (typeof FILE_TYPES)[number];

/** Largest file (bytes): a scan of ten pages. Its sealed form has to fit into one document of 16 MB. */
export const FILE_LIMIT = 5 * 1024 * 1024;
/** Files of one request. */
export const FILES_LIMIT = 20;

const MAGIC: readonly (readonly [type: FileType, bytes: Buffer])[] = [
  // ISO 32000-1 §7.5.2
  ['application/pdf', Buffer.from('%PDF-', 'latin1')],
  // PNG (ISO/IEC 15948) §5.2
  ['image/png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])],
  // JFIF, Exif: SOI, then the first marker
  ['image/jpeg', Buffer.from([0xff, 0xd8, 0xff])],
];

const ENDS: Partial<Record<FileType, (bytes: Buffer) => boolean>> = {
  'application/pdf': (bytes) => bytes.subarray(-1024).includes('%%EOF'),
  'image/png': (bytes) => bytes.subarray(-12).includes('IEND'),
  'image/jpeg': (bytes) => bytes.subarray(-1024).includes(Buffer.from([0xff, 0xd9])),
};

/** What browsers might take for a page or a program, if it were ever served as what it says it is. */
const MARKUP = /<\s*(!doctype|html|head|body|script|svg|iframe|object|embed|\?xml|\?php)/i;

function isPlainText(bytes: Buffer): boolean {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return false;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return !/[\u0000-\u0008\u000b\u000e-\u001f\u007f]/.test(text) && !MARKUP.test(text);
}

/** The type that the bytes themselves tell, whatever name and label say; undefined for what is not taken. */
export function fileTypeOf(bytes: Buffer): FileType | undefined {
  const found = MAGIC.find(([, magic]) => bytes.subarray(0, magic.length).equals(magic))?.[0];
  if (found) return ENDS[found]?.(bytes) ? found : undefined;
  return bytes.length > 0 && isPlainText(bytes) ? 'text/plain' : undefined;
}

const ENDINGS: Record<FileType, string> = {
  'application/pdf': 'pdf',
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'text/plain': 'txt',
};

/** A name that is safe in a header and on a disk, with the ending of what the file is. */
export function safeFileName(given: string, type: FileType): string {
  const base = given
    .normalize('NFKD')
    .replace(/^.*[\\/]/, '')
    .replace(/\.[A-Za-z0-9]{1,8}$/, '')
    .replace(/[^A-Za-z0-9 _-]+/g, '_')
    .replace(/^[\s_]+|[\s_]+$/g, '')
    .slice(0, 60);
  return `${base || 'attachment'}.${ENDINGS[type]}`;
}
