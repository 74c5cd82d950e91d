import PDFDocument from 'pdfkit';
import type { Brand } from '../core/catalog.js';
import { HushError } from '../core/errors.js';
import type { Block } from '../mail/plain-text.js';
import { winAnsi } from './win-ansi.js';

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

/**
 * A letter as PDF: tagged (headings, paragraphs, lists, links), with language and title, in fonts that every reader has, so
 * that nothing is fetched or embedded. Throws HushError('invalid') for an address that no window holds.
 */
export async function printLetter(letter: PrintedLetter): Promise<Buffer> {
  const paper = paperOf(letter.country);
  let lacks = false;
  const ansi = (text: string): string => {
    const written = winAnsi(text);
    lacks ||= written.lacks;
    return written.text;
  };
  const doc = new PDFDocument({
    size: paper.size,
    margins: { top: 72, bottom: BOTTOM, left: paper.left, right: RIGHT },
    bufferPages: true,
    tagged: true,
    displayTitle: true,
    lang: letter.language,
    pdfVersion: '1.7',
    info: {
      Title: letter.title,
      Author: letter.brand.legalName,
      CreationDate: new Date(letter.at),
      ModDate: new Date(letter.at),
    },
  });
  const chunks: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    doc.on('end', () => resolve(Buffer.concat(chunks)));
    doc.on('error', reject);
  });
  const root = doc.struct('Document', { lang: letter.language });
  doc.addStructure(root);
  const width = doc.page.width - paper.left - RIGHT;
  const put = (tag: string, draw: () => void) => root.add(doc.struct(tag, {}, [draw]));

  function artifact(draw: () => void): void {
    doc.markContent('Artifact', { type: 'Pagination' });
    draw();
    doc.endMarkedContent();
  }

  function letterhead(): void {
    artifact(() => {
      doc.rect(0, 0, doc.page.width, 8).fill(letter.brand.look.color);
    });
    put('P', () => {
      doc.font('Helvetica-Bold').fontSize(15).fillColor(INK).text(ansi(letter.brand.name), paper.left, 48, { width });
    });
    put('P', () => {
      const sender = ansi(`${letter.brand.legalName}, ${letter.brand.postal}`);
      doc
        .font('Helvetica')
        .fontSize(7.5)
        .fillColor(SOFT)
        .text(sender, paper.left, paper.window.top - 14, { width });
    });
  }

  function addressWindow(): void {
    const { top, height, width: across } = paper.window;
    const lines = letter.address.map(ansi);
    if (lines.length > 0) {
      doc.font('Helvetica');
      const size = ADDRESS_SIZES.find(
        (points) => doc.fontSize(points).heightOfString(lines.join('\n'), { width: across }) <= height,
      );
      if (size === undefined) {
        throw new HushError('invalid', 'the postal address is too long for the window of an envelope', {
          field: 'to.postal',
          remedy: 'shorten it to seven short lines',
        });
      }
      put('P', () => {
        doc.fontSize(size).fillColor(INK).text(lines.join('\n'), paper.left, top, { width: across });
      });
    }
    put('P', () => {
      doc.font('Helvetica').fontSize(11).fillColor(INK);
      doc.text(ansi(letter.date), paper.left, paper.bodyTop - 32, { width, align: 'right' });
    });
    doc.x = paper.left;
    doc.y = paper.bodyTop;
  }

  /** Keeps a heading or a label with what follows it. */
  function room(points: number): void {
    if (doc.y + points > doc.page.height - BOTTOM) doc.addPage();
  }

  function draw(block: Block): void {
    const text = ansi(block.text);
    doc.font('Helvetica').fontSize(11).fillColor(INK);
    const plain = { width, lineGap: 3 };
    switch (block.kind) {
      case 'brand':
        return;
      case 'title':
        room(60);
        put('H1', () => {
          doc.font('Helvetica-Bold').fontSize(17).text(text, paper.left, doc.y, { width });
        });
        break;
      case 'number':
        put('P', () => {
          doc.font('Courier-Bold').fontSize(13).text(text, paper.left, doc.y, plain);
        });
        break;
      case 'item':
        root.add(
          doc.struct('L', {}, [
            doc.struct('LI', {}, [
              doc.struct('Lbl', {}, [() => void doc.text('•', paper.left + 4, doc.y, { width: 12, lineGap: 3 })]),
              doc.struct('LBody', {}, [
                () => {
                  doc.moveUp();
                  doc.text(text, paper.left + 18, doc.y, { width: width - 18, lineGap: 3 });
                },
              ]),
            ]),
          ]),
        );
        break;
      case 'link': {
        room(48);
        const href = ansi(block.href ?? '');
        put('P', () => {
          doc.font('Helvetica-Bold').text(`${text}:`, paper.left, doc.y, plain);
        });
        put('Link', () => {
          doc.font('Helvetica').fillColor(letter.brand.look.color);
          doc.text(href, paper.left, doc.y, { ...plain, link: href, underline: true });
        });
        break;
      }
      case 'soft':
        put('P', () => {
          doc.fontSize(9).fillColor(SOFT).text(text, paper.left, doc.y, { width, lineGap: 2 });
        });
        break;
      default:
        put('P', () => {
          doc.text(text, paper.left, doc.y, plain);
        });
    }
    doc.moveDown(block.kind === 'item' ? 0.2 : 0.6);
  }

  function pageNumbers(): void {
    const { count } = doc.bufferedPageRange();
    for (let page = 0; page < count; page++) {
      doc.switchToPage(page);
      // Below the margin, where text would begin a new page.
      doc.page.margins.bottom = 0;
      artifact(() => {
        doc.font('Helvetica').fontSize(8).fillColor(SOFT);
        doc.text(ansi(letter.pageWords(page + 1, count)), paper.left, doc.page.height - 42, { width, align: 'right' });
      });
    }
  }

  letterhead();
  addressWindow();
  for (const block of letter.blocks) draw(block);
  if (lacks) draw({ kind: 'soft', text: letter.characterNote });
  root.end();
  pageNumbers();
  doc.end();
  return done;
}
