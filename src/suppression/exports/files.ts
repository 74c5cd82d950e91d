import { Unzip, UnzipInflate } from 'fflate';
import { HushError } from '../../core/errors.js';

/** A JSON export is read whole: bytes. */
const MAX_JSON = 32 * 1024 * 1024;

const invalid = (message: string, remedy: string) => new HushError('invalid', message, { field: 'body', remedy });

/** One file of what was sent: itself, or one in a zip. */
export interface SentFile {
  readonly name: string;
  /** One of several: what is no list of the product may lie beside those that are. */
  readonly isInZip: boolean;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The stream with its first bytes looked at: at least `count`, unless it is shorter. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ head: Buffer; all: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < count) {
    const { done, value } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  async function* all() {
    if (head.length > 0) yield head;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  return { head, all: all() };
}

/** UTF-16 with its mark, as Excel saves "Unicode text", in UTF-8; anything else as it is. */
async function* inUtf8(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await peek(stream, 2);
  const encoding =
    head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : '';
  if (encoding === '') {
    yield* all;
    return;
  }
  const decoder = new TextDecoder(encoding);
  for await (const chunk of all) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

/** The record at the end of a zip, and how far before the last byte it may begin: its comment has 64 kB at most. */
const END_OF_ZIP = Buffer.from('PK\u0005\u0006');
const MAX_END = 66_000;
const damaged = () => invalid('the zip is damaged', 'download it again, or send its files one by one');

const isExportName = (name: string): boolean =>
  /\.(csv|tsv|txt|json|ndjson|jsonl)$/i.test(name) && !/(^|\/)(__MACOSX|granular_activity|\.)/.test(name);

/** The files of a zip as they arrive, one after another; what is no list is passed over. */
async function* unzipped(stream: AsyncIterable<Uint8Array>): AsyncGenerator<SentFile> {
  /** What was found and not yet given on: the beginning of a file, or bytes of the one that is being read. */
  const found: ({ readonly name: string } | Uint8Array)[] = [];
  const unzip = new Unzip((file) => {
    if (/(^|\/)xl\/|\[Content_Types\]\.xml$/i.test(file.name))
      throw invalid('the file is an Excel workbook', 'save it as CSV UTF-8 and send that');
    const isRead = isExportName(file.name);
    if (isRead) found.push({ name: file.name });
    // What is not read is unpacked all the same: left alone it would be kept in memory.
    file.ondata = (error, data) => {
      if (error) throw error;
      if (isRead && data.length > 0) found.push(data);
    };
    file.start();
  });
  unzip.register(UnzipInflate);
  const chunks = stream[Symbol.asyncIterator]();
  let isOver = false;
  let tail = Buffer.alloc(0);

  /** Unpacks more until there is something, or nothing is left. */
  async function more(): Promise<boolean> {
    while (found.length === 0 && !isOver) {
      const { done, value } = await chunks.next();
      isOver = done === true;
      if (!done) tail = Buffer.concat([tail, value]).subarray(-MAX_END);
      else if (!tail.includes(END_OF_ZIP)) throw damaged();
      try {
        unzip.push(done ? new Uint8Array(0) : value, isOver);
      } catch (error) {
        if (error instanceof HushError) throw error;
        throw damaged();
      }
    }
    return found.length > 0;
  }
  async function* bytes(): AsyncGenerator<Uint8Array> {
    while (await more()) {
      const [next] = found;
      if (!(next instanceof Uint8Array)) return;
      found.shift();
      yield next;
    }
  }
  let count = 0;
  while (await more()) {
    const next = found.shift();
    // What a reader of the file before has left.
    if (next === undefined || next instanceof Uint8Array) continue;
    count++;
    yield { name: next.name, isInZip: true, bytes: inUtf8(bytes()) };
  }
  if (count === 0) throw invalid('the zip has no CSV and no JSON', 'send the zip as it was downloaded');
}

/** What was sent as files in UTF-8: the files of a zip, else itself under the name that the caller gave. */
export async function* sentFiles(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<SentFile> {
  const { head, all } = await peek(stream, 4);
  if (head.subarray(0, 4).equals(Buffer.from('PK\u0003\u0004'))) yield* unzipped(all);
  else yield { name, isInZip: false, bytes: inUtf8(all) };
}

/** Whether a file is JSON by how it begins, with the file to be read from its beginning. */
export async function isJson(file: SentFile): Promise<{ isJson: boolean; bytes: AsyncIterable<Uint8Array> }> {
  const { head, all } = await peek(file.bytes, 64);
  const text = head
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart();
  return { isJson: /^[[{]/.test(text), bytes: all };
}

/** A JSON document, or one a line, or several one after another. Throws HushError `invalid`. */
export async function jsonValues(bytes: AsyncIterable<Uint8Array>): Promise<unknown[]> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    if (size > MAX_JSON)
      throw invalid(
        `the JSON is larger than ${MAX_JSON / 1024 / 1024} MB`,
        'send it in parts, a file a page of the interface',
      );
    pieces.push(piece);
  }
  const text = Buffer.concat(pieces)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  const whole = parsed(text);
  if (whole !== undefined) return [whole];
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const values = lines.map(parsed);
  if (values.every((value) => value !== undefined)) return values;
  // Pages of an interface saved one behind the other, each over several lines.
  const pages = text.split(/(?<=[\]}])\s*\n(?=[[{])/).map(parsed);
  if (pages.every((value) => value !== undefined)) return pages;
  throw invalid('the file begins as JSON and is none', 'send it as it was downloaded, to its end');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
