import { expect, test } from '@jest/globals';
import {
  ABSOLUTE,
  allowLook,
  currentSession,
  IDLE,
  lookOf,
  type StaffSession,
  sessionCookieName,
  sessionEnd,
} from '../../../src/web/middleware/session.js';

const NOON = Date.UTC(2026, 4, 1, 12);
const MINUTE = 60_000;
const key = Buffer.alloc(16, 7);

const sessionOf = (more: Partial<StaffSession> = {}): StaffSession => ({
  user: { id: 'staff agent', name: 'Ana', roles: ['agent'] },
  csrf: 'secret',
  signedInAt: NOON,
  seenAt: NOON,
  looks: {},
  ...more,
});

/** What a request brings, and whether its session was ended. */
function requestWith(staff: StaffSession | undefined) {
  const ended = { value: false };
  const destroy = () => {
    ended.value = true;
  };
  const session = { staff, destroy };
  return { request: { session } as never, ended };
}

const clock = (now: number) => ({ now: () => now }) as never;

test.each([
  ['right away', 0, NOON, true],
  ['at the last moment of idleness', IDLE, NOON, true],
  ['after half an hour without a click', IDLE + 1, NOON, false],
  ['after twelve hours, clicks or not', ABSOLUTE + 1, NOON + ABSOLUTE, false],
])('%s a session lasts: %#', (_name, after, seenAt, lasts) => {
  const { request, ended } = requestWith(sessionOf({ seenAt }));
  expect(currentSession(request, clock(NOON + after)) !== undefined).toBe(lasts);
  expect(ended.value).toBe(!lasts);
});

test('a click is written down once a minute', () => {
  const staff = sessionOf();
  currentSession(requestWith(staff).request, clock(NOON + MINUTE));
  expect(staff.seenAt).toBe(NOON);
  currentSession(requestWith(staff).request, clock(NOON + MINUTE + 1));
  expect(staff.seenAt).toBe(NOON + MINUTE + 1);
});

test('it ends by the earlier of idleness and shift', () => {
  expect(sessionEnd(sessionOf())).toBe(NOON + IDLE);
  expect(sessionEnd(sessionOf({ seenAt: NOON + ABSOLUTE - MINUTE }))).toBe(NOON + ABSOLUTE);
});

test('a reason for looking holds for its person and half an hour', () => {
  const staff = sessionOf();
  allowLook(staff, [key], 'call', '', clock(NOON));
  expect(lookOf(staff, key, clock(NOON + 30 * MINUTE - 1))).toMatchObject({ reason: 'call' });
  expect(lookOf(staff, key, clock(NOON + 30 * MINUTE))).toBeUndefined();
  expect(lookOf(staff, Buffer.alloc(16, 8), clock(NOON))).toBeUndefined();
});

test('a session remembers its last fifty people', () => {
  const staff = sessionOf();
  for (let n = 0; n < 60; n++) allowLook(staff, [Buffer.alloc(16, n)], 'call', '', clock(NOON));
  expect(Object.keys(staff.looks)).toHaveLength(50);
  expect(lookOf(staff, Buffer.alloc(16, 59), clock(NOON))).toBeDefined();
  expect(lookOf(staff, Buffer.alloc(16, 0), clock(NOON))).toBeUndefined();
});

test('in production the cookie has the prefix that browsers hold to its host', () => {
  expect([sessionCookieName(true), sessionCookieName(false)]).toEqual(['__Host-hush-staff', 'hush-staff']);
});
