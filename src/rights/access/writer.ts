import type { Brand, Catalog } from '../../core/catalog.js';
import type { PackageRow, Section } from './gather.js';
import type { ReadableRow } from './words.js';

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

/** Writes one form of a package, row by row. */
export interface Writer {
  begin(): Promise<void>;
  section(name: Section): Promise<void>;
  row(row: PackageRow, readable: ReadableRow): Promise<void>;
  end(): Promise<void>;
}
