import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { create, type Font } from 'fontkit';
import { plainFont } from './woff.js';

/** A font that can print some scripts; of its characters those that are used are embedded. */
export interface Face {
  /** Paths of its files. */
  readonly regular: string;
  readonly bold: string;
}

/** Text of one font. */
export interface Run {
  readonly face: Face;
  readonly text: string;
}

const { resolve } = createRequire(import.meta.url);
const folderOf = (name: string): string => path.dirname(resolve(`${name}/package.json`));

/** Latin, Greek, Cyrillic, Vietnamese and Devanagari in one. */
const NOTO = folderOf('@expo-google-fonts/noto-sans');
const BASE: Face = {
  regular: path.join(NOTO, '400Regular/NotoSans_400Regular.ttf'),
  bold: path.join(NOTO, '700Bold/NotoSans_700Bold.ttf'),
};

function sliceOf(name: string, slice: string): Face {
  const file = (weight: number) =>
    path.join(folderOf(`@fontsource/${name}`), 'files', `${name}-${slice}-${weight}-normal.woff`);
  return { regular: file(400), bold: file(700) };
}

const UNIFONT = path.join(folderOf('@fontsource/unifontex'), 'files/unifontex-latin-400-normal.woff');
const SCRIPTS: readonly Face[] = [
  BASE,
  sliceOf('noto-sans-arabic', 'arabic'),
  sliceOf('noto-sans-hebrew', 'hebrew'),
  sliceOf('noto-sans-thai', 'thai'),
];
/** Plain to look at, and it has nearly every character there is. */
const LAST: Face = { regular: UNIFONT, bold: UNIFONT };

interface Slice {
  readonly from: number;
  readonly to: number;
  readonly face: Face;
}

let slices: readonly Slice[] | undefined;
/** Chinese and Japanese lie in a hundred files by ranges of characters. Nine thousand ranges: read when one is asked for. */
function chineseSlices(): readonly Slice[] {
  slices ??= Object.entries(
    JSON.parse(readFileSync(path.join(folderOf('@fontsource/noto-sans-sc'), 'unicode.json'), 'utf8')),
  ).flatMap(([slice, ranges]) => {
    const face = sliceOf('noto-sans-sc', slice.replace(/[[\]]/g, ''));
    return [...String(ranges).matchAll(/U\+([0-9a-f]+)(?:-([0-9a-f]+))?/gi)].map(([, from = '', to]) => ({
      from: Number.parseInt(from, 16),
      to: Number.parseInt(to ?? from, 16),
      face,
    }));
  });
  return slices;
}

const opened = new Map<string, Font>();
/** A font of a file, opened once for all documents: reading its tables takes longer than a page. */
export function fontOf(file: string): Font {
  let font = opened.get(file);
  if (!font) {
    font = create(plainFont(readFileSync(file)));
    opened.set(file, font);
  }
  return font;
}
const has = (face: Face, codePoint: number): boolean => fontOf(face.regular).hasGlyphForCodePoint(codePoint);

const faces = new Map<number, Face | undefined>();
/** The font that prints a character; undefined where none does. */
function faceOf(codePoint: number): Face | undefined {
  if (faces.has(codePoint)) return faces.get(codePoint);
  const prints = (face: Face) => has(face, codePoint);
  const found = SCRIPTS.find(prints) ?? chineseFaces(codePoint).find(prints) ?? [LAST].find(prints);
  faces.set(codePoint, found);
  return found;
}

const chineseFaces = (codePoint: number): Face[] =>
  chineseSlices()
    .filter(({ from, to }) => from <= codePoint && codePoint <= to)
    .map(({ face }) => face);

/** Marks of writing that show nothing by themselves. */
const SILENT = /\u00ad|\u200b|\u2060|\ufe0e|\ufe0f|\ufeff/g;

const NEUTRAL = /[\s\p{M}\p{N}\p{P}\u200c\u200d]/u;
const LATIN = /\p{Script=Latin}/u;

/**
 * A text in runs of one font each, with every character in its own script. What no font has becomes its number (`[U+E000]`),
 * never another character; `lacks` says that this happened.
 */
export function runsOf(text: string): { readonly runs: readonly Run[]; readonly lacks: boolean } {
  const runs: { face: Face; text: string }[] = [];
  let lacks = false;
  for (const character of text.normalize('NFC').replace(SILENT, '')) {
    const codePoint = character.codePointAt(0) ?? 0;
    const last = runs.at(-1);
    // Blanks, marks and digits stay with what they stand beside, and so does what another font could print as well.
    const stays = last && (last.face !== BASE || NEUTRAL.test(character)) && !LATIN.test(character);
    const face = stays && has(last.face, codePoint) ? last.face : faceOf(codePoint);
    lacks ||= face === undefined;
    const shown = face ? character : `[U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}]`;
    if (last && last.face === (face ?? BASE)) last.text += shown;
    else runs.push({ face: face ?? BASE, text: shown });
  }
  return { runs, lacks };
}
