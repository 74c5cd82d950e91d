import { inflateSync } from 'node:zlib';

/** Code page 1252 from 0x80 on; Node's own decoder of that name reads Latin-1. */
const HIGH = '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ';
const decoded = (hex: string): string =>
  Buffer.from(hex, 'hex')
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (character) => HIGH[character.charCodeAt(0) - 0x80] ?? ' ');

/** The text that a PDF of ours shows, page by page, in the order in which it is drawn: standard fonts, WinAnsi. */
export function pdfText(pdf: Buffer): string[] {
  const raw = pdf.toString('latin1');
  const pages: string[] = [];
  for (const match of raw.matchAll(/(<<[\s\S]*?>>)\s*stream\r?\n/g)) {
    const length = Number(/\/Length (\d+)/.exec(match[1] ?? '')?.[1]);
    const from = (match.index ?? 0) + match[0].length;
    const bytes = pdf.subarray(from, from + length);
    const content = /FlateDecode/.test(match[1] ?? '')
      ? inflateSync(bytes).toString('latin1')
      : bytes.toString('latin1');
    if (!content.includes(' Tf')) continue;
    const lines = [...content.matchAll(/\[([^\]]*)\] TJ/g)].map(([, runs = '']) =>
      [...runs.matchAll(/<([0-9a-fA-F]*)>/g)].map(([, hex = '']) => decoded(hex)).join(''),
    );
    pages.push(lines.join('\n'));
  }
  return pages;
}

/** Without blanks, since lines of print break where those of a mail do not. */
export const squeezed = (text: string): string => text.replace(/\s+/g, '');
