/** Ends a thought: what stands on its two sides is not one phrase ("No, stop" is not "no stop"). */
export const BREAK = '|';

/** Characters read of a text: ten segments of SMS. */
const MAX_LENGTH = 1600;

/**
 * A text as words to compare: no case, no accents, no emoji, apostrophes closed up, three or more of a letter made one,
 * letters spelled one by one joined. Sentence marks become breaks. Linear in the length of the text.
 *
 * @example tokensOf('STOOOP!! Don’t s.t.o.p') // ['stop', '|', 'dont', 'stop']
 */
export function tokensOf(text: string): string[] {
  const plain = text
    .slice(0, MAX_LENGTH)
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    // Written without blanks: each letter is a word, and a phrase is found among its neighbours.
    .replace(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu, ' $& ')
    .replace(/['’‘`´ʼ＇]/gu, '')
    .replace(/([a-z])\1{2,}/g, '$1')
    .replace(/\b([a-z])(?:[.\-_*\s]+([a-z])\b)(?:[.\-_*\s]+([a-z])\b)+/g, (spelled) => spelled.replace(/[^a-z]/g, ''))
    .replace(/[.,;:!?¡¿…\n\r()|]+/gu, ` ${BREAK} `)
    .replace(/[^\p{L}\p{N}|]+/gu, ' ');
  const words = plain.split(' ').filter((word) => word !== '');
  const joined = words.filter((word, index) => word !== BREAK || (index > 0 && words[index - 1] !== BREAK));
  if (joined.at(-1) === BREAK) joined.pop();
  return joined;
}
