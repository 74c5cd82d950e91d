import { escapeXml } from '../../core/escape-xml.js';

/** A chart drawn here, with the same as a table. */
export interface Chart {
  readonly title: string;
  /** One sentence that says what is to be seen. */
  readonly summary: string;
  readonly svg: string;
  readonly legend: readonly { readonly key: number; readonly label: string }[];
  readonly table: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** Said instead, when there is nothing to draw. */
  readonly empty?: string;
}

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 44;
const BOTTOM = 26;
const COLOURS = 6;

function frame(title: string, body: string, height = HEIGHT): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">${body}</svg>`;
}

/** A round number at or above the largest, for the axis. */
export function ceiling(largest: number): number {
  if (largest <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(largest));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((round) => round >= largest) ?? largest;
}

/** Bars by day, stacked by group. Groups beyond five share the last colour. */
export function stackedBars(parts: {
  readonly title: string;
  readonly summary: string;
  readonly empty: string;
  readonly head: readonly [string, ...string[]];
  readonly groups: readonly { readonly id: string; readonly label: string }[];
  readonly days: readonly {
    readonly label: string;
    readonly short: string;
    readonly counts: Readonly<Record<string, number>>;
    readonly note?: string;
  }[];
}): Chart {
  const { title, summary, groups, days } = parts;
  const totals = days.map(({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0));
  const most = Math.max(0, ...totals);
  const rows = days.map(({ label, counts, note }, at) => [
    label,
    ...groups.map(({ id }) => (counts[id] ? counts[id].toLocaleString('en') : '')),
    `${(totals[at] ?? 0).toLocaleString('en')}${note ? ` ${note}` : ''}`,
  ]);
  const table = { head: [...parts.head, ...groups.map(({ label }) => label), 'shown'], rows };
  const legend = groups.map(({ label }, at) => ({ key: Math.min(at, COLOURS - 1), label }));
  if (most === 0) return { title, summary, svg: '', legend: [], table, empty: parts.empty };
  const top = ceiling(most);
  const high = HEIGHT - BOTTOM - 8;
  const y = (value: number) => 8 + high * (1 - value / top);
  const step = (WIDTH - LEFT) / days.length;
  const lines = [0, top / 2, top].map(
    (value) =>
      `<line class="line" x1="${LEFT}" x2="${WIDTH}" y1="${y(value)}" y2="${y(value)}"/><text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${value.toLocaleString('en')}</text>`,
  );
  const bars = days.map(({ counts }, at) => {
    let below = 0;
    return groups
      .map(({ id }, group) => {
        const count = counts[id] ?? 0;
        if (count === 0) return '';
        const from = y(below);
        below += count;
        const x = LEFT + at * step + step * 0.15;
        return `<rect class="k${Math.min(group, COLOURS - 1)}" x="${x.toFixed(1)}" y="${y(below).toFixed(1)}" width="${(step * 0.7).toFixed(1)}" height="${(from - y(below)).toFixed(1)}"/>`;
      })
      .join('');
  });
  const every = Math.ceil(days.length / 8);
  const labels = days.map(({ short }, at) =>
    at % every === 0
      ? `<text x="${(LEFT + at * step + step / 2).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="middle">${escapeXml(short)}</text>`
      : '',
  );
  return { title, summary, svg: frame(title, [...lines, ...bars, ...labels].join('')), legend, table };
}

/** A line from p50 to p99 for each name, on a scale where each step is ten times the one before. */
export function ranges(parts: {
  readonly title: string;
  readonly summary: string;
  readonly empty: string;
  readonly rows: readonly {
    readonly name: string;
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly count: number;
  }[];
  readonly text: (seconds: number) => string;
}): Chart {
  const { title, summary, rows, text } = parts;
  const table = {
    head: ['Destination', 'Told', 'p50', 'p95', 'p99'],
    rows: rows.map(({ name, count, p50, p95, p99 }) => [
      name,
      count.toLocaleString('en'),
      text(p50),
      text(p95),
      text(p99),
    ]),
  };
  const legend = [
    { key: 0, label: 'half within (p50)' },
    { key: 2, label: '95 of 100 within (p95)' },
    { key: 1, label: '99 of 100 within (p99)' },
  ];
  if (rows.length === 0) return { title, summary, svg: '', legend: [], table, empty: parts.empty };
  const from = Math.floor(Math.log10(Math.min(...rows.map(({ p50 }) => p50))));
  const to = Math.max(from + 2, Math.ceil(Math.log10(Math.max(...rows.map(({ p99 }) => p99)))));
  const left = 170;
  const x = (seconds: number) => left + ((Math.log10(seconds) - from) / (to - from)) * (WIDTH - left - 30);
  const height = rows.length * 30 + BOTTOM + 8;
  const ticks = Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at)).map(
    (value) =>
      `<line class="line" x1="${x(value)}" x2="${x(value)}" y1="4" y2="${height - BOTTOM}"/><text x="${x(value)}" y="${height - 8}" text-anchor="middle">${escapeXml(text(value))}</text>`,
  );
  const marks = rows.map(({ name, p50, p95, p99 }, at) => {
    const y = at * 30 + 20;
    return [
      `<text x="${left - 14}" y="${y + 4}" text-anchor="end">${escapeXml(name.slice(0, 24))}</text>`,
      `<line class="range" x1="${x(p50)}" x2="${x(p99)}" y1="${y}" y2="${y}"/>`,
      `<circle class="dot k1" cx="${x(p99)}" cy="${y}" r="6"/><circle class="dot k2" cx="${x(p95)}" cy="${y}" r="6"/><circle class="dot k0" cx="${x(p50)}" cy="${y}" r="6"/>`,
    ].join('');
  });
  return { title, summary, svg: frame(title, [...ticks, ...marks].join(''), height), legend, table };
}

/** Bars beside names. */
export function bars(parts: {
  readonly title: string;
  readonly summary: string;
  readonly empty: string;
  readonly head: readonly [string, string];
  readonly rows: readonly { readonly name: string; readonly value: number; readonly text: string }[];
}): Chart {
  const { title, summary, rows } = parts;
  const table = { head: parts.head, rows: rows.map(({ name, text }) => [name, text]) };
  if (rows.every(({ value }) => value === 0)) return { title, summary, svg: '', legend: [], table, empty: parts.empty };
  const left = 170;
  const most = Math.max(...rows.map(({ value }) => value));
  const height = rows.length * 28 + 8;
  const drawn = rows.map(({ name, value, text }, at) => {
    const y = at * 28 + 6;
    const width = (value / most) * (WIDTH - left - 90);
    return `<text x="${left - 12}" y="${y + 15}" text-anchor="end">${escapeXml(name.slice(0, 24))}</text><rect class="k0" x="${left}" y="${y}" width="${Math.max(1, width).toFixed(1)}" height="20" rx="3"/><text x="${(left + width + 8).toFixed(1)}" y="${y + 15}">${escapeXml(text)}</text>`;
  });
  return { title, summary, svg: frame(title, drawn.join(''), height), legend: [], table };
}
