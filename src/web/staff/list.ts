import { csvText } from './csv.js';
import type { Visit } from './shell.js';

export interface Column<Row> {
  readonly label: string;
  readonly text: (row: Row) => string;
  readonly href?: (row: Row) => string | undefined;
  /** A word in colour: `yes`, `no`, `warn` or `soft`. */
  readonly tone?: (row: Row) => string | undefined;
  readonly num?: boolean;
}

export interface Filter {
  /** Name in the query. */
  readonly name: string;
  readonly label: string;
  readonly type?: 'search' | 'date';
  readonly options?: readonly { readonly value: string; readonly label: string }[];
  /** What is chosen until somebody chooses. */
  readonly preset?: string;
}

/** What is chosen of a filter: its preset, until somebody chooses, if only "all". */
export function chosen(visit: Visit, filter: Pick<Filter, 'name' | 'preset'>): string {
  return visit.request.query[filter.name] === undefined
    ? (filter.preset ?? '')
    : visit.query(filter.name).slice(0, 200);
}

export interface List<Row> {
  /** Names its fields and its CSV file. */
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column<Row>[];
  readonly filters: readonly Filter[];
  /** "calls", for the count. */
  readonly noun: readonly [one: string, many: string];
  readonly empty: { readonly title: string; readonly text: string };
  /** Rows from `skip` on, with how many there are in all. */
  readonly rows: (skip: number, limit: number) => Promise<{ readonly rows: readonly Row[]; readonly total: number }>;
}

const PAGE = 50;
/** Rows of a CSV: more is an export, not a list. */
const MOST = 10_000;

/** Rows that are in memory, searched and cut. `says` is the text a search looks in. */
export function rowsOf<Row>(all: readonly Row[], search: string, says: (row: Row) => string) {
  const wanted = search.toLowerCase();
  const found = wanted === '' ? all : all.filter((row) => says(row).toLowerCase().includes(wanted));
  return async (skip: number, limit: number) => ({ rows: found.slice(skip, skip + limit), total: found.length });
}

function linkTo(visit: Visit, changes: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(visit.request.originalUrl.split('?')[1] ?? '');
  for (const [name, value] of Object.entries(changes)) query.set(name, value);
  return `${visit.request.path}?${query}`;
}

/** The list as `partials/list.ejs` shows it. */
export async function viewList<Row>(visit: Visit, list: List<Row>) {
  const page = Math.min(2000, Math.max(1, Number.parseInt(visit.query('page'), 10) || 1));
  const { rows, total } = await list.rows((page - 1) * PAGE, PAGE);
  const [one, many] = list.noun;
  return {
    name: list.name,
    title: list.title,
    action: visit.request.path,
    filters: list.filters.map((filter) => ({ ...filter, value: chosen(visit, filter) })),
    count: `${total.toLocaleString('en')} ${total === 1 ? one : many}${total > PAGE ? `, page ${page} of ${Math.ceil(total / PAGE)}` : ''}`,
    columns: list.columns.map(({ label, num }) => ({ label, num })),
    rows: rows.map((row) =>
      list.columns.map(({ text, href, tone, num }) => ({ text: text(row), href: href?.(row), tone: tone?.(row), num })),
    ),
    empty: list.empty,
    csv: linkTo(visit, { format: 'csv' }),
    previous: page > 1 ? linkTo(visit, { page: String(page - 1) }) : undefined,
    next: page * PAGE < total ? linkTo(visit, { page: String(page + 1) }) : undefined,
  };
}

/** Answers `?format=csv` with the list as a file, which is written down as an export. False when a page is wanted. */
export async function sentAsCsv<Row>(visit: Visit, list: List<Row>): Promise<boolean> {
  if (visit.query('format') !== 'csv') return false;
  const { rows } = await list.rows(0, MOST);
  await visit.record({ kind: 'export', what: 'list', about: `${list.name}: ${rows.length} rows` });
  visit.response
    .status(200)
    .type('text/csv; charset=utf-8')
    .set('Cache-Control', 'no-store')
    .set('Content-Disposition', `attachment; filename="${list.name}.csv"`)
    .send(
      csvText(
        list.columns.map(({ label }) => label),
        rows.map((row) => list.columns.map(({ text }) => text(row))),
      ),
    );
  return true;
}
