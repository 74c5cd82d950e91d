import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ejs from 'ejs';
import type { Words } from './words.js';

type Values = Readonly<Record<string, unknown>>;

/**
 * Renders a view by its name, with the words of one language. Throws what the view throws, such as for a value that it needs
 * and did not get.
 */
export type Render = (view: string, values: Values) => string;

/** What JSON leaves as it is and EJS would read as the start or end of a tag. */
const literal = (text: string): string =>
  JSON.stringify(text).replaceAll('%>', '%\\u003e').replaceAll('<%', '\\u003c%');

/** Escapes as EJS does. Most of what a page shows has nothing to escape. */
function escapeHtml(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value);
  return /[&<>'"]/.test(text) ? ejs.escapeXML(text) : text;
}

/**
 * A view with its constant words in place: `<%= t('skip') %>` is plain HTML from here on. Words that depend on the person
 * are left to the request.
 *
 * @throws for a word that no language has
 */
function withWords(source: string, file: string, t: Words): string {
  const wordOf = (key: string): string => {
    try {
      return t(key);
    } catch (error) {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  return source
    .replace(/<%= t\('([\w.]+)'\) %>/g, (_tag, key: string) => escapeHtml(wordOf(key)))
    .replace(/<%[\s\S]*?%>/g, (tag) =>
      tag
        .replace(/(?<![\w.$])t\('([\w.]+)'\)/g, (_call, key: string) => literal(wordOf(key)))
        // EJS compiles an include anew each time it is rendered, so views include by a function of ours.
        .replace(/(?<![\w.$])include\(/g, 'includeView('),
    );
}

/** The views of a folder and of its partials, by path. */
function readViews(folder: string, t: Words): Map<string, string> {
  const files = [folder, path.join(folder, 'partials')].flatMap((from) =>
    readdirSync(from)
      .filter((name) => name.endsWith('.ejs'))
      .map((name) => path.join(from, name)),
  );
  return new Map(files.map((file) => [file, withWords(readFileSync(file, 'utf8'), file, t)]));
}

/**
 * Renders the EJS views of a folder with the words of one language. They are read here, so a process that starts anew sees
 * what changed; each is compiled once for each set of values that it is rendered with, because without their names EJS
 * would look up every value at run time (`with`). A value is escaped unless the view says otherwise (`<%-`).
 *
 * @param folder absolute path; has a folder `partials`
 * @throws for a constant word that there is not
 */
export function createRender(folder: string, t: Words): Render {
  const sources = readViews(folder, t);
  const compiled = new Map<string, ejs.TemplateFunction>();

  function viewOf(file: string, names: readonly string[]): ejs.TemplateFunction {
    const id = `${file} ${names.join()}`;
    const known = compiled.get(id);
    if (known) return known;
    const options = {
      filename: file,
      strict: true,
      destructuredLocals: [...names],
      escape: escapeHtml,
      // Values are read by the names above alone, and copying them would make them slow.
      unsafePrototypeLocals: true,
    };
    const source = sources.get(file);
    if (source === undefined) throw new Error(`there is no view ${file}`);
    const view = ejs.compile(source, options);
    compiled.set(id, view);
    return view;
  }

  function renderFile(file: string, given: Values, more?: Values): string {
    const includeView = (name: string, added?: Values) =>
      renderFile(path.join(path.dirname(file), `${name}.ejs`), values, added);
    const values: Values = { ...given, ...more, includeView };
    return viewOf(file, Object.keys(values))(values);
  }

  return (view, values) => renderFile(path.join(folder, `${view}.ejs`), { t, ...values });
}

/** Ten hexadecimal digits that change with the text: for names of files that browsers may keep for ever. */
export function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
