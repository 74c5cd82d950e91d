import {
  addBusinessDaysTo,
  addDaysTo,
  addMonths,
  addMonthsTo,
  DAY_MS,
  endOfDay,
  type LocalDate,
  localDate,
} from './calendar.js';
import { HushError } from './errors.js';
import { jurisdictionMatches, type Policy, type RequestClock } from './policy.js';
import { isClosed, type RequestState } from './request.js';

/** All that the clock of a request needs to know of it. Times in ms. */
export interface Clocked {
  readonly jurisdiction: string;
  readonly receivedAt: number;
  readonly state: RequestState;
  readonly acknowledgedAt?: number;
  /** When it was extended; only once. */
  readonly extendedAt?: number;
}

export interface Deadlines {
  /** Last ms in which receipt is acknowledged in time. */
  readonly acknowledgeBy: number;
  /** Last ms of the first period. */
  readonly due: number;
  /** Last ms of the period after an extension. */
  readonly extendedDue: number;
  /** Days of the first period. */
  readonly days: number;
}

/** Something somebody has to be told, once. */
export interface Alert {
  /** Unique within a request. */
  readonly id: string;
  readonly at: number;
  readonly kind: 'nearing' | 'late' | 'acknowledgement_nearing' | 'acknowledgement_late';
  /** Days after receipt, of `nearing`. */
  readonly day?: number;
}

/** The clock of a jurisdiction: the first of the policy that matches. */
export function clockFor(policy: Policy, jurisdiction: string): RequestClock {
  const found = policy.requests.find(({ jurisdictions }) => jurisdictionMatches(jurisdictions, jurisdiction));
  if (!found) throw new Error(`no request clock matches ${jurisdiction}, not even *`);
  return found;
}

type Span = RequestClock['answer'];

function addSpan(date: LocalDate, { days = 0, months = 0 }: Span): LocalDate {
  return addDaysTo(addMonthsTo(date, months), days);
}

const numberOf = ({ year, month, day }: LocalDate): number => Math.round(Date.UTC(year, month - 1, day) / DAY_MS);

/**
 * When a request must be acknowledged and answered. The day of receipt is not counted; verification does not stop the clock
 * (11 CCR 7021(b)). The extension is counted from the end of the first period, which is never later than counting all from
 * receipt.
 */
export function deadlinesOf(policy: Policy, request: Pick<Clocked, 'jurisdiction' | 'receivedAt'>): Deadlines {
  const clock = clockFor(policy, request.jurisdiction);
  const received = localDate(request.receivedAt, clock.timeZone);
  const answer = addSpan(received, clock.answer);
  return {
    acknowledgeBy: endOfDay(addBusinessDaysTo(received, clock.acknowledgeBusinessDays), clock.timeZone),
    due: endOfDay(answer, clock.timeZone),
    extendedDue: endOfDay(addSpan(answer, clock.extension), clock.timeZone),
    days: numberOf(answer) - numberOf(received),
  };
}

/** The deadline that counts now. */
export function dueOf(policy: Policy, request: Clocked): number {
  const { due, extendedDue } = deadlinesOf(policy, request);
  return request.extendedAt === undefined ? due : extendedDue;
}

/** True for a request that is open past its deadline. */
export function isLate(policy: Policy, request: Clocked, now: number): boolean {
  return !isClosed(request.state) && now > dueOf(policy, request);
}

/** A deadline as the calendar of the clock's zone shows it: noon UTC of that day, to be written as a date in UTC. */
export function calendarDay(policy: Policy, jurisdiction: string, at: number): number {
  const { year, month, day } = localDate(at, clockFor(policy, jurisdiction).timeZone);
  return Date.UTC(year, month - 1, day, 12);
}

/** Whole days left; 0 on the last day, negative when it is late. Of the zone's calendar. */
export function daysLeft(policy: Policy, request: Clocked, now: number): number {
  const { timeZone } = clockFor(policy, request.jurisdiction);
  return numberOf(localDate(dueOf(policy, request), timeZone)) - numberOf(localDate(now, timeZone));
}

/** Days since receipt, of the zone's calendar. */
export function ageInDays(policy: Policy, request: Pick<Clocked, 'jurisdiction' | 'receivedAt'>, now: number): number {
  const { timeZone } = clockFor(policy, request.jurisdiction);
  return numberOf(localDate(now, timeZone)) - numberOf(localDate(request.receivedAt, timeZone));
}

/**
 * May this request be extended at `now`? One extension only, and its letter goes before the first deadline (the privacy
 * policy; 11 CCR 7021(b); GDPR Art. 12(3)). Throws HushError `conflict`.
 */
export function checkExtension(policy: Policy, request: Clocked, now: number): void {
  if (request.extendedAt !== undefined) {
    throw new HushError('conflict', 'this request has been extended already', {
      remedy: 'answer it by its deadline: there is one extension only',
    });
  }
  if (now > deadlinesOf(policy, request).due) {
    throw new HushError('conflict', 'its first deadline has passed, so it cannot be extended', {
      remedy: 'answer it now, and write in the answer why it is late',
    });
  }
}

/**
 * Every alert of a request, by time. Those of the first period come on the policy's days after receipt; once extended, as
 * many days before the new deadline. `late` comes with the first millisecond past the deadline.
 */
export function alertsOf(policy: Policy, request: Clocked): Alert[] {
  const clock = clockFor(policy, request.jurisdiction);
  const { acknowledgeBy, days } = deadlinesOf(policy, request);
  const received = localDate(request.receivedAt, clock.timeZone);
  const due = dueOf(policy, request);
  const startOf = (date: LocalDate) => endOfDay(addDaysTo(date, -1), clock.timeZone) + 1;
  const nearing = clock.alertDays.map((day): Alert => {
    if (request.extendedAt === undefined) {
      return { id: `day-${day}`, at: startOf(addDaysTo(received, day)), kind: 'nearing', day };
    }
    const date = addDaysTo(localDate(due, clock.timeZone), day - days);
    const counted = numberOf(date) - numberOf(received);
    return { id: `extended-${day}`, at: startOf(date), kind: 'nearing', day: counted };
  });
  const acknowledgement: Alert[] =
    request.acknowledgedAt === undefined
      ? [
          {
            id: 'acknowledge',
            at: startOf(localDate(acknowledgeBy, clock.timeZone)),
            kind: 'acknowledgement_nearing',
          },
          { id: 'acknowledge-late', at: acknowledgeBy + 1, kind: 'acknowledgement_late' },
        ]
      : [];
  const late: Alert = {
    id: request.extendedAt === undefined ? 'late' : 'extended-late',
    at: due + 1,
    kind: 'late',
  };
  return [...nearing, ...acknowledgement, late].sort((a, b) => a.at - b.at);
}

/** Alerts whose time has come and that nobody was told of yet, however long nobody looked. None of a closed request. */
export function dueAlerts(policy: Policy, request: Clocked, raised: ReadonlySet<string>, now: number): Alert[] {
  if (isClosed(request.state)) return [];
  return alertsOf(policy, request).filter(({ id, at }) => at <= now && !raised.has(id));
}

/** When the record of a request goes (ms): the policy's months after it was closed. */
export function purgeAt(policy: Policy, closedAt: number): number {
  return addMonths(closedAt, policy.requestRecordMonths);
}
