import type { Policy } from '../../core/policy.js';
import { daysLeft, isLate } from '../../core/request-clock.js';
import { clockedOf } from '../../rights/requests/answers.js';
import type { By } from '../../rights/requests/records.js';
import type { StaffUser } from '../../staff/audit-trail.js';
import type { RequestRecord } from '../../store/requests.js';

/** Staff as the history of a request names them. */
export const byOf = (user: StaffUser): By => ({ id: `staff ${user.id}`, name: user.name });

/** An address as staff write it in one field. */
export const contactInputFrom = (text: string) =>
  text.includes('@') ? { email: text } : /^[a-z0-9-]+:\S/.test(text) ? { id: text } : { phone: text };

/** "in 12 days", "today", "3 days late": by the calendar of the request's clock. */
export function dueWords(policy: Policy, record: RequestRecord, now: number): { text: string; tone: string } {
  const left = daysLeft(policy, clockedOf(record), now);
  if (isLate(policy, clockedOf(record), now))
    return { text: `${-left} ${left === -1 ? 'day' : 'days'} late`, tone: 'no' };
  if (left <= 0) return { text: 'today', tone: 'no' };
  return { text: `in ${left} ${left === 1 ? 'day' : 'days'}`, tone: left <= 15 ? 'warn' : 'soft' };
}
