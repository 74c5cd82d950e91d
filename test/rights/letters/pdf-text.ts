import { inflateSync } from 'node:zlib';

/** Text of a number as PDF writes it: UTF-16, in hexadecimal. */
const utf16 = (hex: string): string => Buffer.from(hex, 'hex').swap16().toString('utf16le');

/** Bytes of the stream of an object. */
function streamOf(pdf: Buffer, body: string, from: number): string {
  const length = Number(/\/Length (\d+)/.exec(body)?.[1]);
  const begin = pdf.indexOf('stream\n', from, 'latin1') + 'stream\n'.length;
  const bytes = pdf.subarray(begin, begin + length);
  return (/FlateDecode/.test(body) ? inflateSync(bytes) : bytes).toString('latin1');
}

/** The characters of each font by the number of their glyph: its ToUnicode map, ISO 32000-1 §9.10.3. */
function charactersOf(pdf: Buffer, objects: ReadonlyMap<string, { body: string; at: number }>): Map<string, string[]> {
  const fonts = new Map<string, string[]>();
  for (const { body } of objects.values()) {
    for (const [, name = '', ref = ''] of body.matchAll(/\/(F\d+) (\d+) 0 R/g)) {
      const map = /\/ToUnicode (\d+) 0 R/.exec(objects.get(ref)?.body ?? '')?.[1];
      const object = map && objects.get(map);
      if (!object || fonts.has(name)) continue;
      const characters: string[] = [];
      for (const [, from = '', list = ''] of streamOf(pdf, object.body, object.at).matchAll(
        /<([0-9a-f]+)> <[0-9a-f]+> \[([^\]]*)\]/gi,
      )) {
        [...list.matchAll(/<([0-9a-f ]*)>/gi)].forEach(([, hex = ''], n) => {
          characters[Number.parseInt(from, 16) + n] = utf16(hex.replaceAll(' ', ''));
        });
      }
      fonts.set(name, characters);
    }
  }
  return fonts;
}

/** The text that a PDF of ours shows, page by page, in the order in which it is drawn, as its own maps of fonts read it. */
export function pdfText(pdf: Buffer): string[] {
  const raw = pdf.toString('latin1');
  const objects = new Map(
    [...raw.matchAll(/(\d+) 0 obj\n([\s\S]*?)(?=\nstream|\nendobj)/g)].map(({ 1: id = '', 2: body = '', index }) => [
      id,
      { body, at: index ?? 0 },
    ]),
  );
  const fonts = charactersOf(pdf, objects);
  const pages: string[] = [];
  for (const { body } of objects.values()) {
    const content = /\/Type \/Page\n[\s\S]*\/Contents (\d+) 0 R|\/Contents (\d+) 0 R[\s\S]*\/Type \/Page\n/.exec(body);
    const object = content && objects.get(content[1] ?? content[2] ?? '');
    if (!object) continue;
    const drawn = streamOf(pdf, object.body, object.at);
    const lines: string[] = [];
    let characters: string[] = [];
    for (const [, font, runs] of drawn.matchAll(/\/(F\d+) [\d.]+ Tf|\[([^\]]*)\] TJ/g)) {
      if (font) characters = fonts.get(font) ?? [];
      else {
        const glyphs = [...(runs ?? '').matchAll(/<([0-9a-f]*)>/gi)].flatMap(
          ([, hex = '']) => hex.match(/.{4}/g) ?? [],
        );
        lines.push(glyphs.map((hex) => characters[Number.parseInt(hex, 16)] ?? '').join(''));
      }
    }
    pages.push(lines.join('\n'));
  }
  return pages;
}

/** Without blanks, since lines of print break where those of a mail do not. */
export const squeezed = (text: string): string => text.replace(/\s+/g, '');
