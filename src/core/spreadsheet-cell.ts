/** What a spreadsheet would run, or take off: = + - @ (and their wide forms), a tab or a line break, and an apostrophe. */
const RUNS = /^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n']/;

/**
 * A cell as people may open it: one that a spreadsheet would run as a formula gets an apostrophe in front, and so does one
 * that begins with an apostrophe, so that `withoutTextMarker` gives back what was there.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function neutralised(text: string): string {
  return RUNS.test(text) ? `'${text}` : text;
}

/** What `neutralised` was given. */
export function withoutTextMarker(text: string): string {
  return text.startsWith("'") && RUNS.test(text.slice(1)) ? text.slice(1) : text;
}
