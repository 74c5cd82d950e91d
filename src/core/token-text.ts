/**
 * What mail does to a link on its way, undone: programs lower-case it, put a full stop, bracket, blank or tracking
 * parameters behind it, percent-encode it, fold it and leave the fold in it. Nothing here decides whether a token is
 * genuine; it only says which texts are worth opening.
 */

/** Blanks, invisible characters and the `=` of a quoted-printable soft line break, as they stay where a line was folded. */
const FOLDS = /[=\s\p{Cf}]+/gu;
/** What comes before a token: `<`, `"`, `=`, another slash. */
const BEFORE = /^[^A-Za-z0-9]+/;

/** Decodes `%XX`, also when it was encoded twice; what is no valid encoding stays as it stands. Never throws. */
export function decodePercent(text: string): string {
  let decoded = text;
  for (let times = 0; times < 3 && decoded.includes('%'); times++) {
    decoded = decoded.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
      try {
        return decodeURIComponent(escapes);
      } catch {
        return escapes;
      }
    });
  }
  return decoded;
}

/**
 * The texts that a damaged token may have been, the likeliest first: up to the first character that is not of its alphabet,
 * and the same with folds taken out.
 *
 * @param run matches the letters of a token at the beginning of a text
 * @example tokenTexts('7k3m9q.', /^[a-z0-9]+/) // ['7k3m9q']
 */
export function tokenTexts(text: string, run: RegExp): string[] {
  const from = decodePercent(text).replace(BEFORE, '');
  const first = run.exec(from)?.[0] ?? '';
  if (first === from) return [first];
  const unfolded = run.exec(from.replace(FOLDS, ''))?.[0] ?? '';
  return first === unfolded ? [first] : [first, unfolded];
}
