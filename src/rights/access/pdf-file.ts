import { openDocument, type Paper, paperOf } from '../letters/letter-pdf.js';
import { lineHeight, type PrintText, type TextStyle } from '../letters/print-text.js';
import type { PackageRow, Section } from './gather.js';
import { type AccessWords, type ReadableRow, TABLES } from './words.js';
import type { PackageHead, Sink, Writer } from './writer.js';

const INK = '#1d2327';
const SOFT = '#545d63';
const RIGHT = 63;
const BOTTOM = 72;

/** How wide the columns of a table are, as shares, by how many there are; the last one has the details. */
const SHARES: Readonly<Record<number, readonly number[]>> = {
  2: [1, 2],
  4: [3, 3, 2, 3],
  5: [3, 2.4, 2.6, 2, 4],
};
const CELL: TextStyle = { size: 8.5, color: INK };
const PAD = 3;

interface PdfWriterParts {
  readonly head: PackageHead;
  readonly words: AccessWords;
  /** Whose paper it is printed on. */
  readonly country: string;
  readonly sink: Sink;
}

interface PdfWriterContext extends PdfWriterParts {
  readonly doc: PDFKit.PDFDocument;
  readonly print: PrintText;
  readonly x: number;
  readonly root: PDFKit.PDFStructureElement;
  readonly paper: Paper;
  readonly ended: Promise<void>;
  readonly state: {
    waiting: Buffer[];
    page: number;
    y: number;
    width: number;
    bottom: number;
    empty: boolean;
    open: boolean;
    /** The table of a section, with its columns. */
    table: PDFKit.PDFStructureElement | undefined;
  };
}

async function drain(context: PdfWriterContext): Promise<void> {
  const chunks = context.state.waiting;
  context.state.waiting = [];
  if (chunks.length > 0) await context.sink(Buffer.concat(chunks));
}

function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

function nextPage(context: PdfWriterContext): number {
  context.doc.addPage();
  return context.state.y;
}

function put(
  context: PdfWriterContext,
  tag: string,
  size: number,
  text: string,
  options: { bold?: boolean; soft?: boolean } = {},
): void {
  const { doc, print, x, root } = context;
  const style = { size, bold: options.bold === true, color: options.soft ? SOFT : INK };
  const element = doc.struct(tag, {}, [
    () => {
      context.state.y = print.draw(
        clean(text),
        style,
        { x, y: context.state.y, width: context.state.width },
        { bottom: context.state.bottom, page: () => nextPage(context) },
      );
    },
  ]);
  root.add(element);
  element.end();
}

function room(context: PdfWriterContext, points: number): void {
  if (context.state.y + points > context.state.bottom) context.doc.addPage();
}

/** One row of a table. Cells that are longer than a page go on in a row of their own on the next. */
function tableRow(
  context: PdfWriterContext,
  to: PDFKit.PDFStructureElement,
  tag: 'TH' | 'TD',
  cells: readonly string[],
  firstIsHead: boolean,
): void {
  const { print, doc, x } = context;
  const shares = SHARES[cells.length] ?? cells.map(() => 1);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const columns = shares.map((share) => (share / whole) * context.state.width);
  const styleOf = (at: number): TextStyle => ({ ...CELL, bold: tag === 'TH' || (firstIsHead && at === 0) });
  const lines = cells.map((text, at) => {
    const plain = text.split('\n').map(clean).join('\n');
    return print.linesOf(plain, styleOf(at), (columns[at] ?? 0) - 2 * PAD);
  });
  const mostLines = Math.floor((context.state.bottom - 63 - 2 * PAD) / lineHeight(CELL));
  for (let from = 0; from === 0 || lines.some((cell) => cell.length > from); from += mostLines) {
    const fitting = lines.map((cell) => cell.slice(from, from + mostLines));
    const height = Math.max(...fitting.map((cell) => cell.length)) * lineHeight(CELL) + 2 * PAD;
    room(context, height);
    const top = context.state.y;
    doc.markContent('Artifact', { type: 'Layout' });
    doc
      .moveTo(x, top)
      .lineTo(x + context.state.width, top)
      .lineWidth(0.5)
      .stroke(SOFT);
    doc.endMarkedContent();
    let left = x;
    const row = doc.struct(
      'TR',
      {},
      fitting.map((cell, at) => {
        const place = left + PAD;
        left += columns[at] ?? 0;
        const kind = tag === 'TH' || (firstIsHead && at === 0) ? 'TH' : 'TD';
        return doc.struct(kind, {}, [
          () => {
            cell.forEach((line, n) => {
              print.drawLine(line, place, top + PAD + n * lineHeight(CELL), styleOf(at));
            });
          },
        ]);
      }),
    );
    to.add(row);
    row.end();
    context.state.y = top + height;
  }
}

function closeTable(context: PdfWriterContext): void {
  if (!context.state.table) return;
  context.root.add(context.state.table);
  context.state.table.end();
  context.state.table = undefined;
  context.state.y += 6;
}

function closeSection(context: PdfWriterContext): void {
  closeTable(context);
  if (context.state.open && context.state.empty) put(context, 'P', 9.5, context.words.t('empty'));
}

/** A row of a section that is one table: its columns, and what has none in the last one. */
function inTable(context: PdfWriterContext, readable: ReadableRow, columns: readonly string[]): void {
  const { words, doc } = context;
  const { t } = context.words;
  const labels = columns.map((name) => words.label(name));
  const cellOf = (label: string) => readable.lines.flatMap(([name, text]) => (name === label ? [text] : [])).join('\n');
  const rest = readable.lines.filter(([name]) => !labels.includes(name));
  const details = rest.map(([name, text]) => `${name}: ${text}`).join('\n');
  if (!context.state.table) {
    context.state.table = doc.struct('Table', {});
    room(context, 60);
    tableRow(context, context.state.table, 'TH', [t('what'), ...labels, t('details')], false);
  }
  tableRow(context, context.state.table, 'TD', [readable.head, ...labels.map(cellOf), details], true);
}

async function begin(context: PdfWriterContext): Promise<void> {
  const { doc, head, paper, words } = context;
  const { t } = context.words;
  doc.addPage();
  put(context, 'P', 14, head.brand.name, { bold: true });
  if (head.address.length > 0) {
    context.state.y = paper.window.top - 14;
    put(context, 'P', 7.5, `${head.brand.legalName}, ${head.brand.postal}`, { soft: true });
    context.state.y = paper.window.top;
    for (const line of head.address.slice(0, 7)) put(context, 'P', 10, line);
    context.state.y = Math.max(context.state.y + 20, paper.bodyTop);
  } else context.state.y += 12;
  put(context, 'H1', 17, t('title'), { bold: true });
  context.state.y += 6;
  put(context, 'P', 10, t('made', { date: words.day(head.at), request: head.request }));
  const { name: group, phone, privacyAddress: address } = head.group;
  put(context, 'P', 10, t('intro', { group, phone, address }));
  put(context, 'P', 10, t('others'));
  await drain(context);
}

async function section(context: PdfWriterContext, name: Section): Promise<void> {
  closeSection(context);
  context.state.open = true;
  context.state.empty = true;
  room(context, 90);
  context.state.y += 12;
  put(context, 'H2', 13, context.words.t(`section.${name}`), { bold: true });
  put(context, 'P', 9.5, context.words.t(`about.${name}`), { soft: true });
  context.state.y += 5;
  await drain(context);
}

async function row(context: PdfWriterContext, { section }: PackageRow, readable: ReadableRow): Promise<void> {
  context.state.empty = false;
  const columns = TABLES[section];
  if (columns) inTable(context, readable, columns);
  else {
    room(context, 50);
    put(context, 'H3', 9.5, readable.head, { bold: true });
    if (readable.lines.length > 0) {
      const element = context.doc.struct('Table', {});
      for (const line of readable.lines) tableRow(context, element, 'TD', line, true);
      context.root.add(element);
      element.end();
    }
    context.state.y += 6;
  }
  await drain(context);
}

async function end(context: PdfWriterContext): Promise<void> {
  const { print, root, doc, ended } = context;
  const { t } = context.words;
  closeSection(context);
  if (print.lacksSome()) {
    context.state.y += 10;
    put(context, 'P', 8.5, t('characters'), { soft: true });
  }
  root.end();
  doc.end();
  await ended;
  await drain(context);
}

/** Page by page: a page that is full is written and forgotten. */
export function createPdfWriter(parts: PdfWriterParts): Writer {
  const paper = paperOf(parts.country);
  const { doc, root, print } = openDocument({
    paper,
    title: parts.words.t('title'),
    author: parts.head.brand.legalName,
    language: parts.words.language,
    at: parts.head.at,
  });
  const state: PdfWriterContext['state'] = {
    waiting: [],
    page: 0,
    y: 0,
    width: 0,
    bottom: 0,
    empty: false,
    open: false,
    table: undefined,
  };
  doc.on('data', (chunk: Buffer) => state.waiting.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    doc.on('end', resolve);
    doc.on('error', reject);
  });
  const x = paper.left;
  doc.on('pageAdded', () => {
    state.page++;
    state.width = doc.page.width - paper.left - RIGHT;
    state.bottom = doc.page.height - BOTTOM;
    state.y = 63;
    doc.markContent('Artifact', { type: 'Pagination' });
    print.draw(
      parts.words.t('page', { page: state.page }),
      { size: 8, color: SOFT },
      { x, y: doc.page.height - 44, width: state.width },
    );
    doc.endMarkedContent();
  });
  const context: PdfWriterContext = { ...parts, doc, print, x, root, paper, ended, state };
  return {
    begin: () => begin(context),
    section: (name: Section) => section(context, name),
    row: (input: PackageRow, readable: ReadableRow) => row(context, input, readable),
    end: () => end(context),
  };
}
