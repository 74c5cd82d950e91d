import { fontOf, type Run, runsOf } from './print-fonts.js';

/** What text is set with. Sizes and widths in points. */
export interface TextStyle {
  readonly size: number;
  readonly bold?: boolean;
  readonly color: string;
}

/** A line of text, set: its runs from left to right, with their widths. */
type Line = readonly (Run & { readonly width: number })[];

/** Of the height of a line: what stands above the base line, and the line with what lies between two. */
const ASCENT = 1.07;
const LEADING = 1.4;

export const lineHeight = ({ size }: Pick<TextStyle, 'size'>): number => size * LEADING;

/** Words, the blanks between, and single characters of scripts that have no blanks. */
const TOKENS =
  /\n|[^\S\n\u00a0]+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]|(?:[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]|\u00a0)+/gu;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** Words of scripts that are read from the right stand in that order. */
function inReadingOrder(tokens: readonly string[]): string[] {
  const ordered: string[] = [];
  for (let at = 0; at < tokens.length; ) {
    let end = at;
    while (
      end < tokens.length &&
      (RIGHT_TO_LEFT.test(tokens[end] ?? '') || (end > at && /^\s+$/.test(tokens[end] ?? '')))
    )
      end++;
    while (end > at && /^\s+$/.test(tokens[end - 1] ?? '')) end--;
    if (end > at) {
      ordered.push(...tokens.slice(at, end).reverse());
      at = end;
    } else ordered.push(tokens[at++] ?? '');
  }
  return ordered;
}

/**
 * Sets text in any script on a page of pdfkit: breaks it into lines, chooses a font for each piece, and draws it. One for
 * each document.
 */
export function createPrintText(doc: PDFKit.PDFDocument) {
  let lacks = false;
  const registered = new Set<string>();
  const widths = new Map<string, number>();

  function useFont(run: Pick<Run, 'face'>, { size, bold }: TextStyle): void {
    const file = bold ? run.face.bold : run.face.regular;
    if (!registered.has(file)) {
      registered.add(file);
      doc.registerFont(file, fontOf(file));
    }
    doc.font(file).fontSize(size);
  }

  function runsWith(text: string): readonly Run[] {
    const { runs, lacks: hasNone } = runsOf(text);
    lacks ||= hasNone;
    return runs;
  }

  function widthOf(text: string, style: TextStyle): number {
    const key = `${style.bold ? 'b' : 'r'}${style.size}/${text}`;
    let width = widths.get(key);
    if (width === undefined) {
      width = 0;
      for (const run of runsWith(text)) {
        useFont(run, style);
        width += doc.widthOfString(run.text);
      }
      if (widths.size > 20_000) widths.clear();
      widths.set(key, width);
    }
    return width;
  }

  function lineOf(tokens: readonly string[], style: TextStyle): Line {
    return runsWith(inReadingOrder(tokens).join('')).map((run) => {
      useFont(run, style);
      return { ...run, width: doc.widthOfString(run.text) };
    });
  }

  /** Lines of a text within a width. A word that is wider than that is broken where it ends. */
  function linesOf(text: string, style: TextStyle, width: number): Line[] {
    const lines: string[][] = [[]];
    let used = 0;
    const add = (token: string, wide: number) => {
      const line = lines.at(-1);
      if (used > 0 && used + wide > width) {
        lines.push([]);
        used = 0;
        if (/^\s+$/.test(token)) return;
        lines.at(-1)?.push(token);
      } else line?.push(token);
      used += wide;
    };
    for (const [token] of text.matchAll(TOKENS)) {
      if (token === '\n') {
        lines.push([]);
        used = 0;
        continue;
      }
      const wide = widthOf(token, style);
      if (wide <= width) add(token, wide);
      else for (const character of token) add(character, widthOf(character, style));
    }
    return lines.map((tokens) => lineOf(tokens, style));
  }

  function drawLine(line: Line, x: number, y: number, style: TextStyle): void {
    let at = x;
    for (const run of line) {
      useFont(run, style);
      doc
        .fillColor(style.color)
        .text(run.text, at, y + style.size * ASCENT, { lineBreak: false, baseline: 'alphabetic' });
      at += run.width;
    }
  }

  return {
    linesOf,
    drawLine,
    /** True once a character was asked for that no font has. */
    lacksSome: () => lacks,

    /** Draws a text and returns where the next line would begin. `next` is asked for another page where this one is full. */
    draw(
      text: string,
      style: TextStyle,
      place: { readonly x: number; readonly y: number; readonly width: number; readonly align?: 'right' },
      next?: { readonly bottom: number; readonly page: () => number },
    ): number {
      let { y } = place;
      for (const line of linesOf(text, style, place.width)) {
        if (next && y + lineHeight(style) > next.bottom) y = next.page();
        const wide = line.reduce((sum, { width }) => sum + width, 0);
        drawLine(line, place.align === 'right' ? place.x + place.width - wide : place.x, y, style);
        y += lineHeight(style);
      }
      return y;
    },
  };
}

export type PrintText = ReturnType<typeof createPrintText>;
