import { HushError } from '../core/errors.js';
import { contactKeyText } from '../core/keys.js';
import type { Scope } from '../core/scope.js';
import type { Change, FeedPosition, PositionState } from '../store/changes.js';

/** A change as readers of the feed see it. */
export interface ChangeEntry {
  readonly cursor: string;
  readonly contact: string;
  readonly at: string;
  readonly scopes: readonly Scope[];
  readonly version: number;
}

/** A position as readers of the feed keep it: `n123-5f0c9a1e`, or `n123` from before there were epochs. */
export function cursorText({ number, epoch }: FeedPosition): string {
  return epoch === '' ? `n${number}` : `n${number}-${epoch}`;
}

/** The position that a cursor names; undefined for a text that is none. */
export function cursorPosition(cursor: string): FeedPosition | undefined {
  const [, digits, epoch = ''] = /^n(\d{1,15})(?:-([0-9a-f]{8}))?$/.exec(cursor) ?? [];
  return digits === undefined ? undefined : { number: Number(digits), epoch };
}

/** Why a reader cannot go on after a position, and what to do instead; undefined where it can. */
export function positionRefusal({ epoch }: FeedPosition, state: PositionState): HushError | undefined {
  if (state === 'known') return undefined;
  const detail = { field: 'after', remedy: 'take /v1/suppressions anew and go on from its Hush-Cursor' };
  if (state === 'expired') return new HushError('conflict', 'changes after this cursor are no longer kept', detail);
  // Whoever made it up is wrong; whoever was given it could not know that a backup was restored since.
  const kind = epoch === '' ? 'invalid' : 'conflict';
  return new HushError(kind, 'this feed does not know this cursor: was an older backup restored since?', detail);
}

export function changeEntry(change: Change): ChangeEntry {
  const { contact, at, version, scopes } = change;
  return { cursor: cursorText(change), contact: contactKeyText(contact), at: at.toISOString(), scopes, version };
}
