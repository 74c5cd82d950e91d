import { escapeXml } from '../../core/escape-xml.js';
import type { Machine } from '../../core/machine.js';
import { type PackageRow, SECTIONS } from './gather.js';
import { createPdfWriter } from './pdf-file.js';
import type { AccessWords } from './words.js';
import type { PackageHead, Sink, Writer } from './writer.js';

/** The three forms of one package. */
export const FILES = ['json', 'html', 'pdf'] as const;
export type FileName = (typeof FILES)[number];

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
    async row(_row, { head: title, lines }) {
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

/**
 * Writes a package in its three forms in one pass. Memory is bounded by a row and a page, not by how much there is; `sinks`
 * take the bytes of each file in order.
 */
export async function writePackage(parts: {
  readonly machine: Pick<Machine, 'yieldTurn'>;
  readonly head: PackageHead;
  readonly words: AccessWords;
  readonly country: string;
  readonly rows: AsyncIterable<PackageRow>;
  readonly sinks: Readonly<Record<FileName, Sink>>;
}): Promise<{ readonly rows: number }> {
  const { machine, head, words, sinks } = parts;
  const writers = [
    jsonWriter(head, sinks.json),
    htmlWriter(head, words, sinks.html),
    createPdfWriter({ head, words, country: parts.country, sink: sinks.pdf }),
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
  for await (const row of parts.rows) {
    await advance(SECTIONS.indexOf(row.section));
    const readable = words.readableRow(row);
    for (const writer of writers) await writer.row(row, readable);
    rows++;
    // A long history must not keep everybody else waiting.
    if (rows % 50 === 0) await machine.yieldTurn();
  }
  await advance(SECTIONS.length - 1);
  for (const writer of writers) await writer.end();
  return { rows };
}
