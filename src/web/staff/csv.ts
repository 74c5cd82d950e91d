import { stringify } from 'csv-stringify/sync';

/**
 * A cell as a spreadsheet may open it: one that begins like a formula gets an apostrophe in front, so that it stays a text.
 * OWASP, CSV Injection: = + - @, tab and carriage return.
 */
export function neutralised(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

/** CSV for people: a header, neutralised cells, RFC 4180 line ends. */
export function csvText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return stringify(
    [head, ...rows].map((row) => row.map(neutralised)),
    { record_delimiter: 'windows' },
  );
}
