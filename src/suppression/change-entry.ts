import { contactKeyText } from '../core/keys.js';
import type { Scope } from '../core/scope.js';
import type { Change } from '../store/changes.js';

/** A change as readers of the feed see it. */
export interface ChangeEntry {
  readonly cursor: string;
  readonly contact: string;
  readonly at: string;
  readonly scopes: readonly Scope[];
  readonly version: number;
}

export const cursorText = (number: number): string => `n${number}`;

/** The number in a cursor; undefined for a text that is none. */
export function cursorNumber(cursor: string): number | undefined {
  const digits = /^n(\d{1,15})$/.exec(cursor)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function changeEntry({ number, contact, at, version, scopes }: Change): ChangeEntry {
  return { cursor: cursorText(number), contact: contactKeyText(contact), at: at.toISOString(), scopes, version };
}
