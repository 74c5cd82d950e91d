import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { Decisions } from '../preferences/decisions.js';
import { type Accepted, type Subject, subjectKey } from '../preferences/draft.js';
import { unavailable } from '../store/connect.js';
import type { SoftBounceHistory } from '../store/soft-bounces.js';

/**
 * The rule of `policy.yaml` that many soft bounces are a hard one. `fold` gives soft bounces no effect, so that state stays
 * a pure function of events; the rule therefore writes an event of its own, which names it and can be lifted by `reachable`.
 */
export function createSoftBounces(parts: {
  readonly history: SoftBounceHistory;
  readonly decisions: Pick<Decisions, 'present'>;
  readonly accept: Pick<Accept, 'accept'>;
  readonly policy: Pick<Policy, 'softBounces'>;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
}) {
  const { history, decisions, accept, policy, keyring, clock } = parts;

  return {
    /**
     * To be called after a soft bounce was recorded as `cause`. Records a hard one when the last `days` days have soft
     * bounces on at least `count` different days (UTC), none of them before the last hard bounce or `reachable`.
     * Safe to repeat. Throws HushError `unavailable`.
     */
    async settle(subject: Subject, cause: Pick<Accepted, 'id'>): Promise<Accepted | undefined> {
      const { count, days } = policy.softBounces;
      const key = subjectKey(keyring, subject);
      const now = clock.now();
      const { state } = await decisions.present({ key });
      const reach = state.atoms.flatMap((atom) => (atom.t === 'reach' && atom.channel === 'email' ? [atom] : []));
      const last = reach.reduce<(typeof reach)[number] | undefined>(
        (latest, atom) => (latest === undefined || atom.at > latest.at ? atom : latest),
        undefined,
      );
      if (last && !last.reachable) return undefined;
      let times: number[];
      try {
        times = await history.after(key, Math.max(now - days * DAY_MS, last?.at ?? 0));
      } catch (error) {
        throw unavailable(error);
      }
      const bounced = new Set(times.filter((at) => at <= now).map((at) => Math.floor(at / DAY_MS)));
      if (bounced.size < count) return undefined;
      return accept.accept({
        subject,
        type: 'bounced',
        kind: 'hard',
        source: { kind: 'webhook' },
        writer: { name: 'soft-bounces', id: cause.id },
        evidence: { rule: 'policy.softBounces', count: String(count), days: String(days), last: `e_${cause.id}` },
      });
    },
  };
}

export type SoftBounces = ReturnType<typeof createSoftBounces>;
