import type { Logger } from 'pino';
import { addMonths } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Policy } from '../core/policy.js';
import type { TrailStore } from '../store/audit-trail.js';

/** How often (ms) it is looked whether something is old enough. */
const CHECK_EVERY_MS = 3_600_000;

/** Removes what staff did once the policy's months are over, as a chore of the workers. */
export function createRetention(parts: {
  readonly trail: Pick<TrailStore, 'prune'>;
  readonly policy: Pick<Policy, 'auditTrailMonths'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}) {
  const { trail, policy, clock, log } = parts;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async function retain(): Promise<void> {
    const now = clock.now();
    if (now - lookedAt < CHECK_EVERY_MS) return;
    const before = addMonths(now, -policy.auditTrailMonths);
    const removed = await trail.prune(new Date(before));
    lookedAt = now;
    if (removed > 0)
      log.info({ removed, before: new Date(before).toISOString() }, 'entries of the audit trail have had their time');
  };
}
