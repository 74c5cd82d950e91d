/** What the fonts that every PDF reader brings can show: Windows code page 1252. @see ISO 32000-1, Annex D.2 */
const BEYOND_LATIN_1 = new Set('€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ');

/** Characters that look the same in another spelling: nothing is lost. */
const SAME: Readonly<Record<string, string>> = {
  '\u2010': '-',
  '\u2011': '-',
  '\u2212': '-',
  '\u2002': ' ',
  '\u2003': ' ',
  '\u2009': ' ',
  '\u200a': ' ',
  '\u202f': ' ',
  '\u02bc': '’',
  '\u00ad': '',
  '\u200b': '',
  '\u200c': '',
  '\u200d': '',
  '\ufeff': '',
};

/** Latin letters that Unicode does not take apart. */
const NEAREST: Readonly<Record<string, string>> = {
  Ł: 'L',
  ł: 'l',
  Đ: 'D',
  đ: 'd',
  Ħ: 'H',
  ħ: 'h',
  ı: 'i',
  ĸ: 'k',
  ẞ: 'SS',
  Ə: 'E',
  ə: 'e',
};

function has(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xff) || BEYOND_LATIN_1.has(character);
}

/** Most texts: nothing to do. */
const PLAIN = /^[\n\x20-\x7e\xa0-\xac\xae-\xff]*$/;

const every = (text: string) => text !== '' && [...text].every(has);

/**
 * A text in characters that the standard fonts have. What they lack becomes the nearest Latin letter (`Wałęsa` →
 * `Walesa`) or else its number (`[U+738B]`): never another character that looks meant. `lacks` says that this happened.
 */
export function winAnsi(text: string): { readonly text: string; readonly lacks: boolean } {
  if (PLAIN.test(text)) return { text: text.normalize('NFC'), lacks: false };
  let lacks = false;
  const written = [...text.normalize('NFC')].map((character) => {
    if (character === '\n') return character;
    if (character !== '\u00ad' && has(character)) return character;
    const same = SAME[character];
    if (same !== undefined) return same;
    lacks = true;
    const plain = NEAREST[character] ?? character.normalize('NFKD').replace(/\p{M}/gu, '');
    if (every(plain)) return plain;
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `[U+${code}]`;
  });
  return { text: written.join(''), lacks };
}
