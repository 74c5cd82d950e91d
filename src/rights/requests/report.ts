import type { Clock } from '../../core/clock.js';
import type { Policy } from '../../core/policy.js';
import { ageInDays, calendarDay, daysLeft } from '../../core/request-clock.js';
import type { RequestStore } from '../../store/requests.js';
import { clockedOf } from './answers.js';

const AGES = [
  { label: '0–9 days', from: 0 },
  { label: '10–29 days', from: 10 },
  { label: '30–39 days', from: 30 },
  { label: '40–45 days', from: 40 },
  { label: 'over 45 days', from: 46 },
] as const;

/** By when they are due: late first, because that is what has to be seen. */
const DUES = [
  { id: 'late', label: 'late', upTo: -1 },
  { id: 'week', label: 'due within a week', upTo: 7 },
  { id: 'fortnight', label: 'due within 15 days', upTo: 15 },
  { id: 'later', label: 'due later', upTo: Number.POSITIVE_INFINITY },
] as const;

export interface AgeGroup {
  readonly label: string;
  readonly dues: Readonly<Record<string, number>>;
}

const PAGE = 1000;

/** How many requests are not answered. */
export function countOpen(store: Pick<RequestStore, 'count'>): Promise<number> {
  return store.count({ open: true });
}

/** How many of these are past their deadline at `now` (ms). */
export function countLate(store: Pick<RequestStore, 'count'>, now: number): Promise<number> {
  return store.count({ open: true, dueBefore: new Date(now) });
}

/** What the console counts. */
export function createReport(parts: { readonly store: RequestStore; readonly policy: Policy; readonly clock: Clock }) {
  const { store, policy, clock } = parts;
  return {
    dues: DUES,

    countOpen: () => countOpen(store),

    countLate: () => countLate(store, clock.now()),

    /** Requests of any of these contacts, newest first, as the person's page lists them. */
    async ofContacts(keys: readonly Buffer[]) {
      return (await store.ofContacts(keys)).map(({ id, kind, state, jurisdiction, receivedAt, due, closedAt }) => ({
        id,
        href: `/staff/requests/${id}`,
        kind,
        state,
        received: receivedAt.getTime(),
        ...(closedAt ? {} : { due: calendarDay(policy, jurisdiction, due.getTime()) }),
      }));
    },

    /** Open requests by age and by when they are due. */
    async ages(): Promise<AgeGroup[]> {
      const now = clock.now();
      const groups = AGES.map(({ label, from }) => ({ label, from, dues: {} as Record<string, number> }));
      for (let after = ''; ; ) {
        const page = await store.open(after, PAGE);
        for (const record of page) {
          const clocked = clockedOf(record);
          const age = Math.max(0, ageInDays(policy, clocked, now));
          const left = daysLeft(policy, clocked, now);
          const group = groups.findLast(({ from }) => age >= from);
          const due = DUES.find(({ upTo }) => left <= upTo);
          if (group && due) group.dues[due.id] = (group.dues[due.id] ?? 0) + 1;
        }
        const last = page.at(-1);
        if (!last || page.length < PAGE) return groups;
        after = last.id;
      }
    },
  };
}

export type Report = ReturnType<typeof createReport>;
