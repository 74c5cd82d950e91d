import { RowFault } from '../import.js';
import type { ListEvent } from '../import-policy.js';
import { type DateOrder, exportTime } from './times.js';

/** One row, or one object of a JSON export, of another product. Names are compared without case, blanks and punctuation. */
export interface ExportRow {
  /** Text under the first of these names that is filled; empty where none is. */
  text(...names: readonly string[]): string;
  /** The value itself, where the export is JSON. */
  value(name: string): unknown;
  /** All names that there are. */
  readonly names: readonly string[];
}

/** What the caller said of the whole file. */
export interface ExportOptions {
  /** Name of the file, where known: some products tell lists apart by nothing else. */
  readonly file: string;
  /** A list, group, topic or subscription type by name or id: who left that one alone counts as well. */
  readonly only: string | undefined;
  /** IANA zone of times that name none. */
  readonly timeZone: string;
  readonly order: DateOrder;
}

/** What a row means: something that happened to a contact, or why it is left out (a status, counted for the report). */
export type Meaning = ListEvent | { readonly leftOut: string };
export const isLeftOut = (meaning: Meaning): meaning is { leftOut: string } => typeof meaning.leftOut === 'string';

/** One kind of file that a product gives. */
export interface ExportFile {
  readonly name: string;
  /** Names that must be there, each with its other spellings. */
  readonly needs: readonly (readonly string[])[];
  /** Names that must not: they make it another kind of file. */
  readonly without?: readonly string[];
  /** Names of the contact. */
  readonly contact: readonly string[];
  read(row: ExportRow, options: ExportOptions): Meaning | readonly Meaning[];
}

export interface Product {
  /** As people write it. */
  readonly title: string;
  readonly files: readonly ExportFile[];
  readonly order?: DateOrder;
}

export const folded = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');

export const leftOut = (status: string): Meaning => ({ leftOut: status });

/** A time of the row for its event: nothing where the cell is empty. Throws RowFault for what is no time. */
function timeOf(row: ExportRow, names: readonly string[], options: ExportOptions): { at?: string } {
  const text = row.text(...names);
  if (text === '') return {};
  const at = exportTime(text, options.order, options.timeZone);
  if (at === undefined) throw new RowFault(names[0] ?? 'at', 'this is no time that the product writes');
  return { at };
}

/** Status as evidence: a word of the product, never the text of a person. */
const note = (status: string) => ({ evidence: { note: status.slice(0, 100) } });

interface Said {
  readonly row: ExportRow;
  readonly options: ExportOptions;
  /** Names of the address. */
  readonly contact: readonly string[];
  readonly status: string;
  /** Names of the time. */
  readonly times: readonly string[];
}

function contactOf({ row, contact }: Said): string {
  return row.text(...contact).replace(/^'(?=[^'@]*@)/, '');
}

function event(said: Said, more: ListEvent): Meaning {
  const email = contactOf(said);
  if (email === '') return leftOut('no address');
  return { contact: { email }, ...timeOf(said.row, said.times, said.options), source: note(said.status), ...more };
}

export const optedOut = (said: Said): Meaning => event(said, { type: 'opted_out' });
export const complained = (said: Said): Meaning => event(said, { type: 'complained' });
export const bounced = (said: Said): Meaning => event(said, { type: 'bounced', kind: 'hard' });

/** An opt-out of texts, from the column of the number. */
export function optedOutOfTexts(said: Said): Meaning {
  const phone = said.row.text(...said.contact);
  if (phone === '') return leftOut('no number');
  return {
    contact: { phone: /^\d{11,15}$/.test(phone) ? `+${phone}` : phone },
    type: 'opted_out',
    scope: { channel: 'sms' },
    ...timeOf(said.row, said.times, said.options),
    source: note(said.status),
  };
}

type Outcome = 'opted_out' | 'complained' | 'bounced' | 'left_out';

/** What a status means by a product's own words. Throws RowFault for a word that it does not have. */
export function byStatus(said: Said, column: string, meanings: Readonly<Record<string, Outcome>>): Meaning {
  const known = Object.entries(meanings).find(([word]) => folded(word) === folded(said.status));
  if (!known) {
    const shown = /^[A-Za-z][A-Za-z _-]{0,30}$/.test(said.status) ? ` ${said.status}` : '';
    throw new RowFault(column, `there is no status${shown} in this product: is it a column of another name?`);
  }
  switch (known[1]) {
    case 'opted_out':
      return optedOut(said);
    case 'complained':
      return complained(said);
    case 'bounced':
      return bounced(said);
    case 'left_out':
      return leftOut(said.status.toLowerCase());
  }
}

/** True, false, or undefined for an empty cell. Throws RowFault for anything else. */
export function flag(row: ExportRow, column: string, ...others: string[]): boolean | undefined {
  const text = row.text(column, ...others).toLowerCase();
  if (text === '') return undefined;
  if (['true', 'yes', '1', 't', 'y'].includes(text)) return true;
  if (['false', 'no', '0', 'f', 'n'].includes(text)) return false;
  throw new RowFault(column, 'write true or false');
}

/** Whether the caller asked for this list, by any of its names. */
export const isOnly = (options: ExportOptions, ...names: readonly unknown[]): boolean =>
  options.only !== undefined && names.some((name) => folded(String(name ?? '')) === folded(options.only ?? ''));
