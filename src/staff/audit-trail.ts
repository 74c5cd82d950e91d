import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import { createCipher } from '../core/seal.js';
import type { TrailFilter, TrailKind, TrailRow, TrailStore } from '../store/audit-trail.js';
import { unavailable } from '../store/connect.js';
import type { Role } from './permissions.js';

/** Somebody of the staff, as signed in. */
export interface StaffUser {
  /** The identity provider's `sub`. */
  readonly id: string;
  readonly name: string;
  readonly roles: readonly Role[];
}

/** One thing somebody did. */
export interface Deed {
  readonly kind: TrailKind;
  /** A code: `person`, `address`, `call_recorded`, … */
  readonly what: string;
  readonly contact?: Buffer | undefined;
  readonly reason?: string | undefined;
  /** What was written beside the reason, in free words: sealed. */
  readonly note?: string | undefined;
  /** Receipts, routes, counts. Nothing personal. */
  readonly about?: string | undefined;
}

export interface TrailEntry extends Omit<TrailRow, 'note'> {
  readonly note?: string;
}

const NOTE_LIMIT = 500;

/** Who looked, who changed, who exported. Whatever is to be shown or done waits until its entry is durable. */
export function createAuditTrail(parts: {
  readonly store: TrailStore;
  readonly keyring: Keyring;
  readonly clock: Clock;
}) {
  const { store, clock } = parts;
  const sealer = createCipher(parts.keyring, 'audit-trail');
  const context = (user: string) => Buffer.from(user, 'utf8');

  return {
    async record(user: StaffUser, deed: Deed): Promise<void> {
      const { note, contact, reason, about, kind, what } = deed;
      try {
        await store.add({
          at: new Date(clock.now()),
          user: user.id,
          name: user.name,
          roles: user.roles,
          kind,
          what,
          ...(contact ? { contact } : {}),
          ...(reason ? { reason } : {}),
          ...(about ? { about } : {}),
          ...(note ? { note: sealer.seal(Buffer.from(note.slice(0, NOTE_LIMIT)), context(user.id)) } : {}),
        });
      } catch (error) {
        throw unavailable(error);
      }
    },

    async list(filter: TrailFilter, skip: number, limit: number, oldestFirst = false): Promise<TrailEntry[]> {
      const rows = await store.list(filter, skip, limit, oldestFirst);
      return rows.map(({ note, ...row }) => {
        const text = note && sealer.open(note, context(row.user))?.toString('utf8');
        return { ...row, ...(text ? { note: text } : {}) };
      });
    },
    count: store.count,
    users: store.users,
  };
}

export type AuditTrail = ReturnType<typeof createAuditTrail>;
