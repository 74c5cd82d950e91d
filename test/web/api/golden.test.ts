import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import type { GoldenCase } from '../../support/golden.js';
import { goldenCases } from '../../support/golden.js';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

/** Each case is a contact of its own. A grant of the cases is one whose writer may lift. */
const contactOf = (c: GoldenCase) => ({ email: `golden.${c.id}@example.com` });

function expected(c: GoldenCase) {
  const { event: _event, ...rest } = c.expect;
  return rest;
}

const question = (c: GoldenCase) => ({ ...c.ask, contact: contactOf(c) });

describe.each(['the store', 'the index'])('answered by %s', (by) => {
  let hush: Hush;
  const time = { now: Date.parse('2026-06-15T15:00:00Z') };

  beforeAll(async () => {
    hush = await startHush({
      env: { HUSH_DECISION_INDEX: 'on' },
      destinations: [],
      machineTime: () => time.now,
      indexFrom: by === 'the index' ? 1 : Number.POSITIVE_INFINITY,
    });
    await until(() => hush.hush.decisionIndex.status().phase === 'current');
    // Late enough that no event of a case lies in the future: questions say themselves for which time they ask.
    const latest = Math.max(
      ...goldenCases.flatMap((c) => [c.ask.at, ...c.given.map((event) => event.at)]).map(Date.parse),
    );
    time.now = latest + 1000;
    const events = goldenCases.flatMap((c) =>
      c.given.map((event) => ({ source: { kind: 'api' }, ...event, contact: contactOf(c) })),
    );
    for (let at = 0; at < events.length; at += 1000) {
      const answer = await hush.ask<{ rejected: unknown[] }>('/v1/events', { events: events.slice(at, at + 1000) });
      expect(answer.rejected).toEqual([]);
    }
  });
  afterAll(() => hush?.stop());

  describe.each(['while pending or just projected', 'from the snapshot'])('over HTTP, %s', (when) => {
    beforeAll(async () => {
      if (when === 'from the snapshot') await hush.settle();
    });

    test('every golden case as a single question', async () => {
      for (const c of goldenCases) {
        const answer = await hush.ask('/v1/decisions', question(c));
        expect({ id: c.id, ...answer }).toMatchObject({ id: c.id, ...expected(c) });
      }
    });

    test('every golden case in a batch', async () => {
      for (const c of goldenCases) {
        const { contact, ...ask } = question(c);
        const { decisions } = await hush.ask<{ decisions: object[] }>('/v1/decisions/batch', {
          ...ask,
          contacts: [contact, contact],
        });
        expect(decisions).toHaveLength(2);
        expect({ id: c.id, ...decisions[1] }).toMatchObject({ id: c.id, ...expected(c) });
      }
    });

    test('every golden case in one NDJSON stream, in order', async () => {
      const lines = goldenCases.map((c) => JSON.stringify(question(c))).join('\n');
      const response = await fetch(`${hush.url}/v1/decisions/batch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/x-ndjson' },
        body: lines,
      });
      const answers = (await response.text())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(answers).toHaveLength(goldenCases.length);
      goldenCases.forEach((c, index) => {
        expect({ id: c.id, ...answers[index] }).toMatchObject({ id: c.id, ...expected(c) });
      });
    });

    test('every golden case in a scrub', async () => {
      for (const cases of alike(goldenCases).values()) {
        expect(await scrubbed(hush, cases[0]?.ask ?? {}, cases)).toMatchObject(cases.map(inList));
      }
    });
  });
});

/** What a scrub says of each contact, as an annotated list. */
async function scrubbed(world: Hush, ask: object, cases: readonly GoldenCase[]): Promise<Record<string, string>[]> {
  const query = new URLSearchParams({ ...ask, column: 'address', output: 'annotated' } as Record<string, string>);
  const list = ['name,address', ...cases.map((c) => `"case, ${c.id}",${contactOf(c).email}`)].join('\r\n');
  const answer = await world.post(`/v1/scrub?${query}`, list, { 'content-type': 'text/csv' });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
  return parse(await answer.text(), { columns: true });
}
const inList = (c: GoldenCase) => ({
  name: `case, ${c.id}`,
  address: contactOf(c).email,
  allowed: String(c.expect.allowed),
  reason: c.expect.reason,
  ...(c.expect.since === undefined ? {} : { since: new Date(String(c.expect.since)).toISOString() }),
});
/** Cases that ask the same, so that one list asks for them all. */
function alike(cases: readonly GoldenCase[]): Map<string, GoldenCase[]> {
  const groups = new Map<string, GoldenCase[]>();
  for (const c of cases) {
    const ask = JSON.stringify(c.ask);
    groups.set(ask, [...(groups.get(ask) ?? []), c]);
  }
  return groups;
}

test.each(['the store', 'the index'])('every golden case as a present question to %s, at its own time', async (by) => {
  // A world of its own for each moment: the fake clock stands where the case asks.
  const moments = new Map<string, GoldenCase[]>();
  for (const c of goldenCases) moments.set(c.ask.at, [...(moments.get(c.ask.at) ?? []), c]);
  const clock = { now: 0 };
  const present = await startHush({
    env: { HUSH_DECISION_INDEX: 'on' },
    destinations: [],
    machineTime: () => clock.now,
    indexFrom: by === 'the index' ? 1 : Number.POSITIVE_INFINITY,
  });
  try {
    await until(() => present.hush.decisionIndex.status().phase === 'current');
    for (const [at, cases] of [...moments].sort(([a], [b]) => Date.parse(a) - Date.parse(b))) {
      for (const c of cases) {
        // Events after the question have not happened yet.
        const given = c.given.filter((event) => Date.parse(event.at) <= Date.parse(at));
        if (given.length === 0) continue;
        clock.now = Date.parse(at);
        const { rejected } = await present.ask<{ rejected: unknown[] }>('/v1/events', {
          events: given.map((event) => ({ source: { kind: 'api' }, ...event, contact: contactOf(c) })),
        });
        expect(rejected).toEqual([]);
      }
      clock.now = Date.parse(at);
      for (const c of cases) {
        const { at: _at, ...ask } = question(c);
        const answer = await present.ask('/v1/decisions', ask);
        expect({ id: c.id, ...answer }).toMatchObject({ id: c.id, ...expected(c) });
      }
      for (const group of alike(cases).values()) {
        const { at: _at, ...ask } = group[0]?.ask ?? {};
        expect(await scrubbed(present, ask, group)).toMatchObject(group.map(inList));
      }
    }
  } finally {
    await present.stop();
  }
});
