import PDFDocument from 'pdfkit';
import type { Brand } from '../../core/catalog.js';
import { HushError } from '../../core/errors.js';
import type { Block } from '../../mail/plain-text.js';
import { createPrintText, lineHeight, type PrintText, type TextStyle } from './print-text.js';

/** Points, 72 to an inch. */
export interface Paper {
  readonly size: 'LETTER' | 'A4';
  readonly left: number;
  /** Where the address shows through the envelope's window. */
  readonly window: { readonly top: number; readonly width: number; readonly height: number };
  readonly bodyTop: number;
}

/** US #10 envelope with one window, and DIN 5008 form B. */
export const PAPERS: Readonly<Record<'LETTER' | 'A4', Paper>> = {
  LETTER: { size: 'LETTER', left: 63, window: { top: 144, width: 290, height: 76 }, bodyTop: 256 },
  A4: { size: 'A4', left: 71, window: { top: 142, width: 240, height: 98 }, bodyTop: 280 },
};
/** Countries that print on letter paper. */
const LETTER_PAPER = new Set(['US', 'CA', 'MX', 'PH', 'CL', 'CO', 'VE']);

export const paperOf = (country: string): Paper => PAPERS[LETTER_PAPER.has(country) ? 'LETTER' : 'A4'];

const RIGHT = 63;
const BOTTOM = 72;
const INK = '#1d2327';
const SOFT = '#545d63';
const SMALL: TextStyle = { size: 7.5, color: SOFT };
const BODY: TextStyle = { size: 11, color: INK };
const ADDRESS_SIZES = [11, 9.5, 8] as const;

export interface PrintedLetter {
  readonly title: string;
  readonly language: string;
  readonly blocks: readonly Block[];
  readonly brand: Pick<Brand, 'name' | 'legalName' | 'postal' | 'look'>;
  /** Country whose paper is used. */
  readonly country: string;
  /** Lines for the window; none for a letter that is only shown on a screen. */
  readonly address: readonly string[];
  /** "24 November 2026". */
  readonly date: string;
  /** ms; when it was written. */
  readonly at: number;
  readonly pageWords: (page: number, pages: number) => string;
  /** Said at the end when the font lacks characters. */
  readonly characterNote: string;
}

/** The document of every PDF of ours: tagged, with language and title, its fonts embedded. PDF/UA-1, ISO 14289-1. */
export function openDocument(parts: {
  readonly paper: Paper;
  readonly title: string;
  readonly author: string;
  readonly language: string;
  /** ms */
  readonly at: number;
}) {
  const date = new Date(parts.at);
  const options: PDFKit.PDFDocumentOptions = {
    size: parts.paper.size,
    margins: { top: 72, bottom: BOTTOM, left: parts.paper.left, right: RIGHT },
    autoFirstPage: false,
    tagged: true,
    displayTitle: true,
    lang: parts.language,
    pdfVersion: '1.7',
    info: { Title: parts.title, Author: parts.author, CreationDate: date, ModDate: date },
  };
  // pdfkit knows it, its types do not yet.
  const doc = new PDFDocument(Object.assign(options, { subset: 'PDF/UA' }));
  const root = doc.struct('Document', { lang: parts.language });
  doc.addStructure(root);
  return { doc, root, print: createPrintText(doc) };
}

/**
 * A letter as PDF, with names in any script. Throws HushError('invalid') for an address that no window holds.
 */
export async function printLetter(letter: PrintedLetter): Promise<Buffer> {
  const paper = paperOf(letter.country);
  // Written twice where it has more than a page: how many there are is known only then.
  const first = await printPages({ letter, paper, pages: 1 });
  return first.pages === 1 ? first.pdf : (await printPages({ letter, paper, pages: first.pages })).pdf;
}

interface LetterWriterParts {
  readonly letter: PrintedLetter;
  readonly paper: Paper;
  readonly pages: number;
}

interface LetterWriterContext extends LetterWriterParts {
  readonly doc: PDFKit.PDFDocument;
  readonly root: PDFKit.PDFStructureElement;
  readonly print: PrintText;
  readonly x: number;
  readonly done: Promise<Buffer>;
  readonly state: {
    page: number;
    y: number;
    width: number;
    bottom: number;
  };
}

function artifact(context: LetterWriterContext, draw: () => void): void {
  context.doc.markContent('Artifact', { type: 'Pagination' });
  draw();
  context.doc.endMarkedContent();
}

function nextPage(context: LetterWriterContext): number {
  context.doc.addPage();
  return context.state.y;
}

function put(context: LetterWriterContext, tag: string, draw: () => void, options = {}) {
  return context.root.add(context.doc.struct(tag, options, [draw]));
}

/** A paragraph from here on, over as many pages as it takes. */
function flow(context: LetterWriterContext, text: string, style: TextStyle, indent = 0): void {
  context.state.y = context.print.draw(
    text,
    style,
    { x: context.x + indent, y: context.state.y, width: context.state.width - indent },
    { bottom: context.state.bottom, page: () => nextPage(context) },
  );
}

function letterhead(context: LetterWriterContext): void {
  const { doc, letter, print, x, paper } = context;
  artifact(context, () => {
    doc.rect(0, 0, doc.page.width, 8).fill(letter.brand.look.color);
  });
  put(
    context,
    'P',
    () =>
      void print.draw(
        letter.brand.name,
        { size: 15, bold: true, color: INK },
        { x, y: 46, width: context.state.width },
      ),
  );
  const sender = `${letter.brand.legalName}, ${letter.brand.postal}`;
  put(context, 'P', () => void print.draw(sender, SMALL, { x, y: paper.window.top - 14, width: context.state.width }));
}

function addressWindow(context: LetterWriterContext): void {
  const { paper, letter, print, x } = context;
  const { top, height, width: across } = paper.window;
  const text = letter.address.join('\n');
  if (text !== '') {
    const size = ADDRESS_SIZES.find(
      (points) =>
        print.linesOf(text, { size: points, color: INK }, across).length * lineHeight({ size: points }) <= height,
    );
    if (size === undefined) {
      throw new HushError('invalid', 'the postal address is too long for the window of an envelope', {
        field: 'to.postal',
        remedy: 'shorten it to seven short lines',
      });
    }
    put(context, 'P', () => void print.draw(text, { size, color: INK }, { x, y: top, width: across }));
  }
  put(
    context,
    'P',
    () => void print.draw(letter.date, BODY, { x, y: paper.bodyTop - 32, width: context.state.width, align: 'right' }),
  );
  context.state.y = paper.bodyTop;
}

/** Keeps a heading or a label with what follows it. */
function room(context: LetterWriterContext, points: number): void {
  if (context.state.y + points > context.state.bottom) context.doc.addPage();
}

function draw(context: LetterWriterContext, block: Block): void {
  const { root, doc, print, x, letter } = context;
  const { text } = block;
  switch (block.kind) {
    case 'brand':
      return;
    case 'title':
      room(context, 60);
      put(context, 'H1', () => flow(context, text, { size: 17, bold: true, color: INK }));
      break;
    case 'number':
      put(context, 'P', () => flow(context, text, { size: 13, bold: true, color: INK }));
      break;
    case 'item':
      root.add(
        doc.struct('L', {}, [
          doc.struct('LI', {}, [
            doc.struct('Lbl', {}, [() => void print.draw('•', BODY, { x: x + 4, y: context.state.y, width: 12 })]),
            doc.struct('LBody', {}, [() => flow(context, text, BODY, 18)]),
          ]),
        ]),
      );
      break;
    case 'link': {
      room(context, 48);
      const href = block.href ?? '';
      put(context, 'P', () => flow(context, `${text}:`, { ...BODY, bold: true }));
      // Without the annotation: its address stands there to be read, and typed.
      put(context, 'Link', () => flow(context, href, { ...BODY, color: letter.brand.look.color }), { alt: text });
      break;
    }
    case 'soft':
      put(context, 'P', () => flow(context, text, { size: 9, color: SOFT }));
      break;
    default:
      put(context, 'P', () => flow(context, text, BODY));
  }
  context.state.y += block.kind === 'item' ? 3 : 8;
}

async function write(context: LetterWriterContext): Promise<{ pdf: Buffer; pages: number }> {
  const { doc, letter, print, root, done } = context;
  doc.addPage();
  letterhead(context);
  addressWindow(context);
  for (const block of letter.blocks) draw(context, block);
  if (print.lacksSome()) draw(context, { kind: 'soft', text: letter.characterNote });
  root.end();
  doc.end();
  return { pdf: await done, pages: context.state.page };
}

/** The letter's pages, each with its number of `pages`. */
function printPages(parts: LetterWriterParts): Promise<{ pdf: Buffer; pages: number }> {
  const { doc, root, print } = openDocument({
    paper: parts.paper,
    title: parts.letter.title,
    author: parts.letter.brand.legalName,
    language: parts.letter.language,
    at: parts.letter.at,
  });
  const chunks: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    doc.on('end', () => resolve(Buffer.concat(chunks)));
    doc.on('error', reject);
  });
  const x = parts.paper.left;
  const state: LetterWriterContext['state'] = { page: 0, y: 72, width: 0, bottom: 0 };
  const context: LetterWriterContext = { ...parts, doc, root, print, x, done, state };
  doc.on('pageAdded', () => {
    state.page++;
    state.width = doc.page.width - parts.paper.left - RIGHT;
    state.bottom = doc.page.height - BOTTOM;
    state.y = 72;
    artifact(context, () => {
      const words = parts.letter.pageWords(state.page, parts.pages);
      print.draw(words, { size: 8, color: SOFT }, { x, y: doc.page.height - 44, width: state.width, align: 'right' });
    });
  });
  return write(context);
}
