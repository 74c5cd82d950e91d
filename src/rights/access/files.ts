import type { Brand, Catalog } from '../../core/catalog.js';
import { escapeXml } from '../../core/escape-xml.js';
import { openDocument, paperOf } from '../letters/letter-pdf.js';
import { lineHeight, type TextStyle } from '../letters/print-text.js';
import { type Held, SECTIONS, type Section } from './gather.js';
import type { AccessWords, Said } from './words.js';
import { TABLES } from './words.js';

/** The three forms of one package. */
export const FILES = ['json', 'html', 'pdf'] as const;
export type FileName = (typeof FILES)[number];

/** Takes bytes as they come; resolves when it can take more. */
export type Sink = (bytes: Buffer) => Promise<void>;

export interface PackageHead {
  readonly request: string;
  /** ms */
  readonly at: number;
  readonly brand: Brand;
  readonly group: Catalog['group'];
  /** Lines for the window of an envelope; none when nothing is posted. */
  readonly address: readonly string[];
}

interface Writer {
  begin(): Promise<void>;
  section(name: Section): Promise<void>;
  row(held: Held, said: Said): Promise<void>;
  end(): Promise<void>;
}

function jsonWriter(head: PackageHead, sink: Sink): Writer {
  const write = (text: string) => sink(Buffer.from(text));
  let first = true;
  return {
    begin: () =>
      write(
        `{"format":"hush-access-package/1","request":${JSON.stringify(head.request)},"made":"${new Date(head.at).toISOString()}","controller":${JSON.stringify({ name: head.brand.legalName, postal: head.brand.postal, privacyAddress: head.group.privacyAddress, phone: head.group.phone, policy: head.group.policyUrl })}`,
      ),
    async section(name) {
      await write(`${name === SECTIONS[0] ? '' : ']'},\n"${name}":[`);
      first = true;
    },
    async row({ row }) {
      await write(`${first ? '' : ','}\n${JSON.stringify(row)}`);
      first = false;
    },
    end: () => write(']}\n'),
  };
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:16px;color:#1d2327;background:#fff}h1{font-size:1.7rem}h2{border-bottom:2px solid #545d63}h3{font-size:1rem;margin:1em 0 .2em}dl{margin:0 0 .8em;display:grid;grid-template-columns:minmax(6rem,14rem) 1fr;gap:2px 12px}dt{color:#545d63}dd{margin:0}dt,dd,h3{overflow-wrap:anywhere}@media(max-width:30rem){dl{display:block}dd{margin:0 0 .4em}}';

/** Opens in any browser, without a network: no script, no image, no style from elsewhere. */
function htmlWriter(head: PackageHead, words: AccessWords, sink: Sink): Writer {
  const { t } = words;
  const write = (text: string) => sink(Buffer.from(text));
  let open = false;
  let empty = false;
  const close = () =>
    open ? write(`${empty ? `<p>${escapeXml(t('empty'))}</p>` : ''}</section>\n`) : Promise.resolve();
  return {
    begin: () =>
      write(`<!doctype html>
<html lang="${words.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(t('title'))}</title><style>${STYLE}</style></head><body><main>
<p><b>${escapeXml(head.brand.name)}</b></p><h1>${escapeXml(t('title'))}</h1>
<p>${escapeXml(t('made', { date: words.day(head.at), request: head.request }))}</p>
<p>${escapeXml(t('intro', { group: head.group.name, phone: head.group.phone, address: head.group.privacyAddress }))}</p><p>${escapeXml(t('others'))}</p>
<nav><ul>${SECTIONS.map((name) => `<li><a href="#${name}">${escapeXml(t(`section.${name}`))}</a></li>`).join('')}</ul></nav>
`),
    async section(name) {
      await close();
      open = true;
      empty = true;
      await write(
        `<section aria-labelledby="${name}"><h2 id="${name}">${escapeXml(t(`section.${name}`))}</h2><p>${escapeXml(t(`about.${name}`))}</p>\n`,
      );
    },
    async row(_held, { head: title, lines }) {
      empty = false;
      const list = lines.map(([label, text]) => `<dt>${escapeXml(label)}</dt><dd>${escapeXml(text)}</dd>`).join('');
      await write(`<h3>${escapeXml(title)}</h3>${list === '' ? '' : `<dl>${list}</dl>`}\n`);
    },
    async end() {
      await close();
      await write('</main></body></html>\n');
    },
  };
}

const INK = '#1d2327';
const SOFT = '#545d63';
const RIGHT = 63;
const BOTTOM = 72;

/** How wide the columns of a table are, as shares, by how many there are; the last one has the details. */
const SHARES: Readonly<Record<number, readonly number[]>> = {
  2: [1, 2],
  4: [3, 3, 2, 3],
  5: [3, 2.4, 2.6, 2, 4],
};
const CELL: TextStyle = { size: 8.5, color: INK };
const PAD = 3;

/** Page by page: a page that is full is written and forgotten. */
function pdfWriter(head: PackageHead, words: AccessWords, country: string, sink: Sink): Writer {
  const { t } = words;
  const paper = paperOf(country);
  const { doc, root, print } = openDocument({
    paper,
    title: t('title'),
    author: head.brand.legalName,
    language: words.language,
    at: head.at,
  });
  let waiting: Buffer[] = [];
  doc.on('data', (chunk: Buffer) => waiting.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    doc.on('end', resolve);
    doc.on('error', reject);
  });
  async function drain(): Promise<void> {
    const chunks = waiting;
    waiting = [];
    if (chunks.length > 0) await sink(Buffer.concat(chunks));
  }
  const x = paper.left;
  let page = 0;
  let y = 0;
  let width = 0;
  let bottom = 0;
  let empty = false;
  let open = false;
  /** The table of a section, with its columns. */
  let table: PDFKit.PDFStructureElement | undefined;
  const clean = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');

  doc.on('pageAdded', () => {
    page++;
    width = doc.page.width - paper.left - RIGHT;
    bottom = doc.page.height - BOTTOM;
    y = 63;
    doc.markContent('Artifact', { type: 'Pagination' });
    print.draw(t('page', { page }), { size: 8, color: SOFT }, { x, y: doc.page.height - 44, width });
    doc.endMarkedContent();
  });
  const nextPage = (): number => {
    doc.addPage();
    return y;
  };

  function put(tag: string, size: number, text: string, options: { bold?: boolean; soft?: boolean } = {}): void {
    const style = { size, bold: options.bold === true, color: options.soft ? SOFT : INK };
    const element = doc.struct(tag, {}, [
      () => {
        y = print.draw(clean(text), style, { x, y, width }, { bottom, page: nextPage });
      },
    ]);
    root.add(element);
    element.end();
  }
  function room(points: number): void {
    if (y + points > bottom) doc.addPage();
  }

  /** One row of a table. Cells that are longer than a page go on in a row of their own on the next. */
  function tableRow(
    to: PDFKit.PDFStructureElement,
    tag: 'TH' | 'TD',
    cells: readonly string[],
    firstIsHead: boolean,
  ): void {
    const shares = SHARES[cells.length] ?? cells.map(() => 1);
    const whole = shares.reduce((sum, share) => sum + share, 0);
    const columns = shares.map((share) => (share / whole) * width);
    const styleOf = (at: number): TextStyle => ({ ...CELL, bold: tag === 'TH' || (firstIsHead && at === 0) });
    const lines = cells.map((text, at) => {
      const plain = text.split('\n').map(clean).join('\n');
      return print.linesOf(plain, styleOf(at), (columns[at] ?? 0) - 2 * PAD);
    });
    const mostLines = Math.floor((bottom - 63 - 2 * PAD) / lineHeight(CELL));
    for (let from = 0; from === 0 || lines.some((cell) => cell.length > from); from += mostLines) {
      const parts = lines.map((cell) => cell.slice(from, from + mostLines));
      const height = Math.max(...parts.map((cell) => cell.length)) * lineHeight(CELL) + 2 * PAD;
      room(height);
      const top = y;
      doc.markContent('Artifact', { type: 'Layout' });
      doc
        .moveTo(x, top)
        .lineTo(x + width, top)
        .lineWidth(0.5)
        .stroke(SOFT);
      doc.endMarkedContent();
      let left = x;
      const row = doc.struct(
        'TR',
        {},
        parts.map((cell, at) => {
          const place = left + PAD;
          left += columns[at] ?? 0;
          const kind = tag === 'TH' || (firstIsHead && at === 0) ? 'TH' : 'TD';
          return doc.struct(kind, {}, [
            () => {
              cell.forEach((line, n) => {
                print.drawLine(line, place, top + PAD + n * lineHeight(CELL), styleOf(at));
              });
            },
          ]);
        }),
      );
      to.add(row);
      row.end();
      y = top + height;
    }
  }

  function closeTable(): void {
    if (!table) return;
    root.add(table);
    table.end();
    table = undefined;
    y += 6;
  }

  function closeSection(): void {
    closeTable();
    if (open && empty) put('P', 9.5, t('empty'));
  }

  /** A row of a section that is one table: its columns, and what has none in the last one. */
  function inTable(said: Said, columns: readonly string[]): void {
    const labels = columns.map((name) => words.label(name));
    const cellOf = (label: string) => said.lines.flatMap(([name, text]) => (name === label ? [text] : [])).join('\n');
    const rest = said.lines.filter(([name]) => !labels.includes(name));
    const details = rest.map(([name, text]) => `${name}: ${text}`).join('\n');
    if (!table) {
      table = doc.struct('Table', {});
      room(60);
      tableRow(table, 'TH', [t('what'), ...labels, t('details')], false);
    }
    tableRow(table, 'TD', [said.head, ...labels.map(cellOf), details], true);
  }

  return {
    async begin() {
      doc.addPage();
      put('P', 14, head.brand.name, { bold: true });
      if (head.address.length > 0) {
        y = paper.window.top - 14;
        put('P', 7.5, `${head.brand.legalName}, ${head.brand.postal}`, { soft: true });
        y = paper.window.top;
        for (const line of head.address.slice(0, 7)) put('P', 10, line);
        y = Math.max(y + 20, paper.bodyTop);
      } else y += 12;
      put('H1', 17, t('title'), { bold: true });
      y += 6;
      put('P', 10, t('made', { date: words.day(head.at), request: head.request }));
      const { name: group, phone, privacyAddress: address } = head.group;
      put('P', 10, t('intro', { group, phone, address }));
      put('P', 10, t('others'));
      await drain();
    },
    async section(name) {
      closeSection();
      open = true;
      empty = true;
      room(90);
      y += 12;
      put('H2', 13, t(`section.${name}`), { bold: true });
      put('P', 9.5, t(`about.${name}`), { soft: true });
      y += 5;
      await drain();
    },
    async row({ section }, said) {
      empty = false;
      const columns = TABLES[section];
      if (columns) inTable(said, columns);
      else {
        room(50);
        put('H3', 9.5, said.head, { bold: true });
        if (said.lines.length > 0) {
          const element = doc.struct('Table', {});
          for (const line of said.lines) tableRow(element, 'TD', line, true);
          root.add(element);
          element.end();
        }
        y += 6;
      }
      await drain();
    },
    async end() {
      closeSection();
      if (print.lacksSome()) {
        y += 10;
        put('P', 8.5, t('characters'), { soft: true });
      }
      root.end();
      doc.end();
      await ended;
      await drain();
    },
  };
}

/**
 * Writes a package in its three forms in one pass. Memory is bounded by a row and a page, not by how much there is; `sinks`
 * take the bytes of each file in order.
 */
export async function writePackage(parts: {
  readonly head: PackageHead;
  readonly words: AccessWords;
  readonly country: string;
  readonly held: AsyncIterable<Held>;
  readonly sinks: Readonly<Record<FileName, Sink>>;
}): Promise<{ readonly rows: number }> {
  const { head, words, sinks } = parts;
  const writers = [
    jsonWriter(head, sinks.json),
    htmlWriter(head, words, sinks.html),
    pdfWriter(head, words, parts.country, sinks.pdf),
  ];
  for (const writer of writers) await writer.begin();
  let at = 0;
  let rows = 0;
  const advance = async (to: number) => {
    for (; at <= to; at++) {
      const name = SECTIONS[at];
      if (name) for (const writer of writers) await writer.section(name);
    }
  };
  for await (const held of parts.held) {
    await advance(SECTIONS.indexOf(held.section));
    const said = words.said(held);
    for (const writer of writers) await writer.row(held, said);
    rows++;
    // A long history must not keep everybody else waiting.
    if (rows % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await advance(SECTIONS.length - 1);
  for (const writer of writers) await writer.end();
  return { rows };
}
