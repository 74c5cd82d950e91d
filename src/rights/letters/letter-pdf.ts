import PDFDocument from 'pdfkit';
import type { Brand } from '../../core/catalog.js';
import { HushError } from '../../core/errors.js';
import type { Block } from '../../mail/plain-text.js';
import { createPrintText, lineHeight, type TextStyle } from './print-text.js';

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
  const first = await writeLetter(letter, paper, 1);
  return first.pages === 1 ? first.pdf : (await writeLetter(letter, paper, first.pages)).pdf;
}

async function writeLetter(
  letter: PrintedLetter,
  paper: Paper,
  pages: number,
): Promise<{ pdf: Buffer; pages: number }> {
  const { doc, root, print } = openDocument({
    paper,
    title: letter.title,
    author: letter.brand.legalName,
    language: letter.language,
    at: letter.at,
  });
  const chunks: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    doc.on('end', () => resolve(Buffer.concat(chunks)));
    doc.on('error', reject);
  });
  const x = paper.left;
  let page = 0;
  let y = 72;
  let width = 0;
  let bottom = 0;
  const small: TextStyle = { size: 7.5, color: SOFT };
  const body: TextStyle = { size: 11, color: INK };

  function artifact(draw: () => void): void {
    doc.markContent('Artifact', { type: 'Pagination' });
    draw();
    doc.endMarkedContent();
  }

  doc.on('pageAdded', () => {
    page++;
    width = doc.page.width - paper.left - RIGHT;
    bottom = doc.page.height - BOTTOM;
    y = 72;
    artifact(() => {
      const words = letter.pageWords(page, pages);
      print.draw(words, { size: 8, color: SOFT }, { x, y: doc.page.height - 44, width, align: 'right' });
    });
  });
  const nextPage = (): number => {
    doc.addPage();
    return y;
  };
  const put = (tag: string, draw: () => void, options = {}) => root.add(doc.struct(tag, options, [draw]));
  /** A paragraph from here on, over as many pages as it takes. */
  const flow = (text: string, style: TextStyle, indent = 0): void => {
    y = print.draw(text, style, { x: x + indent, y, width: width - indent }, { bottom, page: nextPage });
  };

  function letterhead(): void {
    artifact(() => {
      doc.rect(0, 0, doc.page.width, 8).fill(letter.brand.look.color);
    });
    put('P', () => void print.draw(letter.brand.name, { size: 15, bold: true, color: INK }, { x, y: 46, width }));
    const sender = `${letter.brand.legalName}, ${letter.brand.postal}`;
    put('P', () => void print.draw(sender, small, { x, y: paper.window.top - 14, width }));
  }

  function addressWindow(): void {
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
      put('P', () => void print.draw(text, { size, color: INK }, { x, y: top, width: across }));
    }
    put('P', () => void print.draw(letter.date, body, { x, y: paper.bodyTop - 32, width, align: 'right' }));
    y = paper.bodyTop;
  }

  /** Keeps a heading or a label with what follows it. */
  function room(points: number): void {
    if (y + points > bottom) doc.addPage();
  }

  function draw(block: Block): void {
    const { text } = block;
    switch (block.kind) {
      case 'brand':
        return;
      case 'title':
        room(60);
        put('H1', () => flow(text, { size: 17, bold: true, color: INK }));
        break;
      case 'number':
        put('P', () => flow(text, { size: 13, bold: true, color: INK }));
        break;
      case 'item':
        root.add(
          doc.struct('L', {}, [
            doc.struct('LI', {}, [
              doc.struct('Lbl', {}, [() => void print.draw('•', body, { x: x + 4, y, width: 12 })]),
              doc.struct('LBody', {}, [() => flow(text, body, 18)]),
            ]),
          ]),
        );
        break;
      case 'link': {
        room(48);
        const href = block.href ?? '';
        put('P', () => flow(`${text}:`, { ...body, bold: true }));
        // Without the annotation: its address stands there to be read, and typed.
        put('Link', () => flow(href, { ...body, color: letter.brand.look.color }), { alt: text });
        break;
      }
      case 'soft':
        put('P', () => flow(text, { size: 9, color: SOFT }));
        break;
      default:
        put('P', () => flow(text, body));
    }
    y += block.kind === 'item' ? 3 : 8;
  }

  doc.addPage();
  letterhead();
  addressWindow();
  for (const block of letter.blocks) draw(block);
  if (print.lacksSome()) draw({ kind: 'soft', text: letter.characterNote });
  root.end();
  doc.end();
  return { pdf: await done, pages: page };
}
