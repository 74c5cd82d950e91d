import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ejs from 'ejs';

const compiled = new Map<string, ejs.TemplateFunction>();

/**
 * The HTML of an EJS view, compiled once a process: views change with the program. A value is escaped unless the view says
 * otherwise (`<%-`).
 *
 * @param file absolute path of the view
 * @throws what the view throws, such as for a value that it needs and did not get
 */
export function renderView(file: string, values: Readonly<Record<string, unknown>>): string {
  let view = compiled.get(file);
  if (!view) {
    view = ejs.compile(readFileSync(file, 'utf8'), { filename: file });
    compiled.set(file, view);
  }
  return view(values);
}

/** Ten hexadecimal digits that change with the text: for names of files that browsers may keep for ever. */
export function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
