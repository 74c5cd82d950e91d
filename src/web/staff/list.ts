import { csvText } from './csv.js';
import type { Visit } from './shell.js';

export interface Column<Row> {
  readonly label: string;
  readonly text: (row: Row) => string;
  readonly href?: (row: Row) => string | undefined;
  /** A word in colour: `yes`, `no`, `warn` or `soft`. */
  readonly tone?: (row: Row) => string | undefined;
  readonly num?: boolean;
  /** The list can be put in the order of this column, by this name. */
  readonly sort?: string;
}

/** In what order rows are. */
export interface Order {
  readonly by: string;
  readonly descending: boolean;
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
  /** Until somebody chooses another. */
  readonly order: Order;
  /** The column of time, by its name: from page to page one goes to what is older or newer. */
  readonly time?: string;
  /** Search by person: sent as a form, so that no address is in a URL. */
  readonly person?: {
    readonly action: string;
    readonly label: string;
    /** What is searched for now, as it may be shown. */
    readonly shown?: string | undefined;
  };
  /** Rows from `skip` on, with how many there are in all. */
  readonly rows: (
    skip: number,
    limit: number,
    order: Order,
  ) => Promise<{ readonly rows: readonly Row[]; readonly total: number }>;
}

const PAGE = 50;
/** Rows of a CSV: more is an export, not a list. */
const MAX_ROWS = 10_000;

/** Rows that are in memory, searched, put in order and cut. `says` is the text a search looks in, `values` what columns sort by. */
export function rowsOf<Row>(
  all: readonly Row[],
  search: string,
  says: (row: Row) => string,
  values: Readonly<Record<string, (row: Row) => string | number>>,
) {
  const wanted = search.toLowerCase();
  const found = wanted === '' ? all : all.filter((row) => says(row).toLowerCase().includes(wanted));
  return async (skip: number, limit: number, { by, descending }: Order) => {
    const sortedBy = values[by];
    const sign = descending ? -1 : 1;
    const sorted = sortedBy ? [...found].sort((a, b) => sign * compareValues(sortedBy(a), sortedBy(b))) : found;
    return { rows: sorted.slice(skip, skip + limit), total: found.length };
  };
}

function compareValues(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en');
}

/** The order that the query names (`sort=due` or `sort=-due`), if a column has it; else the list's own. */
function orderOf<Row>(visit: Visit, { columns, order }: List<Row>): Order {
  const wanted = visit.query('sort');
  const by = wanted.replace(/^-/, '');
  return columns.some(({ sort }) => sort === by) ? { by, descending: wanted.startsWith('-') } : order;
}

/** What leads to the page before and after: in the order of time, that is what is newer or older. */
function pageWords<Row>({ time }: List<Row>, { by, descending }: Order): readonly [before: string, after: string] {
  if (by !== time) return ['Previous page', 'Next page'];
  return descending ? ['Newer', 'Older'] : ['Older', 'Newer'];
}

function linkTo(visit: Visit, changes: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(visit.request.originalUrl.split('?')[1] ?? '');
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  return `${visit.request.path}?${query}`;
}

/** The list as `partials/list.ejs` shows it. */
export async function viewList<Row>(visit: Visit, list: List<Row>) {
  const page = Math.min(2000, Math.max(1, Number.parseInt(visit.query('page'), 10) || 1));
  const order = orderOf(visit, list);
  const { rows, total } = await list.rows((page - 1) * PAGE, PAGE, order);
  const last = Math.max(1, Math.ceil(total / PAGE));
  const [before, after] = pageWords(list, order);
  const { query } = visit.request;
  // What is searched for and sorted by stays when a filter changes.
  const kept = ['draft', 'contact', 'sort'].filter((name) => !list.filters.some((filter) => filter.name === name));
  const [one, many] = list.noun;
  return {
    name: list.name,
    title: list.title,
    action: visit.request.path,
    filters: list.filters.map((filter) => ({ ...filter, value: chosen(visit, filter) })),
    count: `${total.toLocaleString('en')} ${total === 1 ? one : many}${total > PAGE ? `, page ${page} of ${last}` : ''}`,
    kept: kept.flatMap((name) => (typeof query[name] === 'string' ? [[name, visit.query(name)]] : [])),
    person: list.person && { ...list.person, clear: linkTo(visit, { draft: '', contact: '', page: '' }) },
    columns: list.columns.map(({ label, num, sort }) => ({
      label,
      num,
      sorted: sort !== undefined && sort === order.by ? (order.descending ? 'descending' : 'ascending') : undefined,
      href: sort && linkTo(visit, { sort: sort === order.by && !order.descending ? `-${sort}` : sort, page: '' }),
    })),
    rows: rows.map((row) =>
      list.columns.map(({ text, href, tone, num }) => ({ text: text(row), href: href?.(row), tone: tone?.(row), num })),
    ),
    empty: list.empty,
    csv: linkTo(visit, { format: 'csv' }),
    before: page > 1 ? { label: before, href: linkTo(visit, { page: String(Math.min(page - 1, last)) }) } : undefined,
    after: page < last ? { label: after, href: linkTo(visit, { page: String(page + 1) }) } : undefined,
  };
}

/** Answers `?format=csv` with the list as a file, which is written down as an export. False when a page is wanted. */
export async function sentAsCsv<Row>(visit: Visit, list: List<Row>): Promise<boolean> {
  if (visit.query('format') !== 'csv') return false;
  const { rows } = await list.rows(0, MAX_ROWS, orderOf(visit, list));
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
