import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import { presentAt } from '../core/fold.js';
import { type ContactKey, contactKeyText, type Keyring } from '../core/keys.js';
import { type Carried, carriedOver } from '../core/replacement.js';
import type { Accept } from './accept.js';
import { acceptEach } from './accept-each.js';
import type { Decisions } from './decisions.js';
import { type Accepted, type Draft, type Subject, subjectKey } from './draft.js';
import type { OpeningGuard } from './opening-guard.js';

export interface Replaced {
  readonly from: ContactKey;
  readonly to: ContactKey;
  readonly carried: readonly (Carried & Accepted)[];
}

/** A retry is the same event; after a lift it is a new one, so that what was answered is in force. */
function idOf({ subject: _subject, ...said }: Draft, to: ContactKey, opened: number): string {
  return createHash('sha256')
    .update(JSON.stringify([to, said, opened]))
    .digest('base64url')
    .slice(0, 22);
}

/**
 * Says that one address takes another's place: what stands denied for the one is recorded for the other, as events of its
 * own. Nothing that allows goes along, and the two share nothing afterwards: whoever says so has proven neither of them.
 */
export function createReplacement(parts: {
  readonly accept: Pick<Accept, 'acceptAll'>;
  readonly decisions: Pick<Decisions, 'present'>;
  readonly guard: OpeningGuard;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
}) {
  const { accept, decisions, guard, keyring, clock } = parts;

  async function presentOf(subject: Subject) {
    const key = subjectKey(keyring, subject);
    const { state } = await decisions.present({ key, ...('point' in subject ? { point: subject.point } : {}) });
    return { key, state };
  }

  /** As much of it as denies at the new address too; undefined for a place that needs less consent than its own. */
  async function closing(draft: Draft): Promise<Draft | undefined> {
    try {
      return (await guard(draft, { lift: false, erase: false })).draft;
    } catch (error) {
      if (error instanceof HushError && error.kind === 'forbidden') return undefined;
      throw error;
    }
  }

  /**
   * Durable when it resolves; said again it adds nothing, unless something was lifted at the new address meanwhile.
   * Throws HushError `invalid` for one and the same contact, `unavailable`.
   *
   * @param by who says so: the id of a key
   */
  return async function replace(old: Subject, to: Subject, by: string): Promise<Replaced> {
    const [before, after] = await Promise.all([presentOf(old), presentOf(to)]);
    if (before.key.equals(after.key)) {
      throw new HushError('invalid', 'these are one and the same contact', {
        field: 'to',
        remedy: 'give the address that takes the place of the other',
      });
    }
    const [from, next] = [contactKeyText(before.key), contactKeyText(after.key)];
    const at = Math.max(presentAt(before.state, clock.now()), presentAt(after.state, clock.now()));
    const wanted = await Promise.all(
      carriedOver(before.state, after.state, at).map(async (carried) => {
        const { of, since, opened, ...event } = carried;
        const evidence = {
          replaces: from,
          ...(of === undefined ? {} : { denial: `e_${of}` }),
          ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
        };
        const draft = await closing({ ...event, subject: to, source: { kind: 'api' }, actor: by, evidence });
        const writer = draft && { name: `replace:${by}`, id: idOf(draft, next, opened) };
        return draft && writer ? [{ carried, draft: { ...draft, writer } }] : [];
      }),
    );
    const closings = wanted.flat();
    const accepted = await acceptEach(
      accept,
      closings.map(({ draft }) => draft),
    );
    const carried = accepted.flatMap((event, index) => {
      const denial = closings[index]?.carried;
      return denial ? [{ ...denial, ...event }] : [];
    });
    return { from, to: next, carried };
  };
}

export type Replace = ReturnType<typeof createReplacement>;
