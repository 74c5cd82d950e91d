/** One way of having a promise broken: texts of the program and what is put in their places. */
export interface Mutation {
  readonly name: string;
  /** What the program does then. */
  readonly says: string;
  readonly changes: readonly { readonly file: string; readonly find: string; readonly put: string }[];
}

const one = (name: string, says: string, file: string, find: string, put: string): Mutation => ({
  name,
  says,
  changes: [{ file, find, put }],
});

/** The first four were faults of the program once, found by reading. */
export const MUTATIONS: readonly Mutation[] = [
  one(
    'decision-between-two-reads',
    'a hot contact is not read again after its overflow',
    'src/store/contact-reads.ts',
    'const again = await read(collections, hotKeys, fields);',
    'const again = found;',
  ),
  one(
    'live-journal',
    'a journal file is replayed and removed though its process still writes to it',
    'src/preferences/journal.ts',
    '(await open.lock()) && (await open.isNamed(name))',
    'await open.isNamed(name)',
  ),
  {
    name: 'old-lift',
    says: 'a confirmed lift counts from its confirmation, whatever was denied since it was asked for',
    changes: [
      {
        file: 'src/staff/approvals.ts',
        find: 'if (await isOvertaken(context, approval)) {',
        put: 'if (context === undefined) {',
      },
      { file: 'src/staff/approvals.ts', find: 'at: approval.at.getTime(),', put: '' },
    ],
  },
  {
    name: 'data-key-replaced',
    says: 'a process that cannot open a data key makes another one',
    changes: [
      {
        file: 'src/projection/reseal.ts',
        find: '  const opened = parts.unwrapKey(key, dataKey);\n  if (!opened) throw new BrokenSealError();\n  return opened;',
        put: '  try {\n    return parts.unwrapKey(key, dataKey);\n  } catch {\n    return undefined;\n  }',
      },
    ],
  },
  one(
    'no-revision',
    'a projection is written whatever happened to the contact since it was read',
    'src/store/contact-projection.ts',
    'filter: { _id: p.key, rev: p.rev },',
    'filter: { _id: p.key },',
  ),
  one(
    'acknowledged-by-one',
    'a write is acknowledged when the primary has it',
    'src/store/connect.ts',
    "  w: 'majority',\n  j: true,",
    '  w: 1 as never,\n  j: true,',
  ),
  one(
    'wrong-version',
    'a worker clears a pending sync at whichever version it is',
    'src/store/contact-pending-syncs.ts',
    'version: clearVersion',
    'version: { $gte: 0 }',
  ),
  one(
    'no-lease',
    'a worker sends what another one has leased',
    'src/store/contact-pending-syncs.ts',
    'one.destination === destination && one.leaseOwner === leaseOwner',
    'one.destination === destination',
  ),
  one(
    'no-reassertion',
    'a denial after a lift is not asserted again when a stalled lift must have landed',
    'src/sync/settle.ts',
    'if (late.length > 0) {',
    'if (late.length > 99) {',
  ),
  one(
    'no-uncertainty',
    'a call whose answer was lost counts as one that never happened',
    'src/sync/settle.ts',
    'uncertainBindings: [...new Set([...task.uncertainBindings, ...called.map((one) => one.name)])],',
    'uncertainBindings: [],',
  ),
  one(
    'overflow-forgotten',
    'a projection says that no overflow is left, whatever arrived meanwhile',
    'src/store/contact-projection.ts',
    "overflow: { $cond: [{ $eq: [{ $ifNull: ['$overflow', 0] }, p.overflow ?? -1] }, 0, '$overflow'] },",
    'overflow: 0,',
  ),
  one(
    'journal-not-synced',
    'the journal acknowledges before its disk has it',
    'src/preferences/journal.ts',
    'await open.sync();',
    '',
  ),
  one(
    'feed-number-for-anything',
    'the feed takes its mark away though the contact changed since',
    'src/store/contact-feed.ts',
    'filter: { _id: key, feed }',
    'filter: { _id: key }',
  ),
  one(
    'person-not-finished',
    'what a crash left between a person and its contacts stays there',
    'src/preferences/persons.ts',
    'for (const { person, event } of unfinished) {\n    await spread(context, person, event);',
    'for (const { person, event } of unfinished) {',
  ),
  one(
    'number-twice',
    'a number of the ledger that a killed projector left free is passed over',
    'src/projection/plan.ts',
    'while (used.has(last + 1)) last++;',
    'last = Math.max(last, ...used);',
  ),
  {
    name: 'erased-too-early',
    says: 'the address of an erased contact goes while a destination still waits for its denial',
    changes: [
      {
        file: 'src/store/contact-erasure.ts',
        find: "          'marks.0': { $exists: false },\n          'pending.0'",
        put: "          'pending.0'",
      },
      {
        file: 'src/store/contact-erasure.ts',
        find: "erasing: true, 'marks.0': { $exists: false } };",
        put: 'erasing: true };',
      },
    ],
  },
  one(
    'repeat-counts',
    'an event that the ledger has is folded in again',
    'src/projection/plan.ts',
    '.filter(({ id }) => (known.get(id)?.number ?? Number.POSITIVE_INFINITY) > contact.entries)',
    '',
  ),
  one(
    'decides-though-behind',
    'a process answers though it journaled something that the store lacks',
    'src/preferences/decisions.ts',
    'if (!parts.isBehind?.()) return;',
    'if (parts.isBehind !== null) return;',
  ),
  one(
    'former-worker-clears',
    'a worker of the former configuration clears what it cannot know',
    'src/sync/settle.ts',
    'if (!task.isSuperseded || settlement.clearVersion === undefined) return settlement;',
    'return settlement;',
  ),
  one(
    'overflow-dropped',
    'overflow is dropped though another projector was faster, and its snapshot lacks it',
    'src/projection/project.ts',
    'await dropOverflow(context, done, count === done.length);',
    'await dropOverflow(context, done, count < Infinity);',
  ),
  one(
    'erasure-forgotten',
    'an erasure that is asked for again is forgotten when another spelling touches the contact',
    'src/projection/plan.ts',
    'erasedNow || contact.erasing ||',
    'erasedNow ||',
  ),
  one(
    'evaluated-once',
    'what was sent under another configuration counts as sent under the one in force',
    'src/sync/settle.ts',
    'evaluateAgain: configuration !== parts.configuration,',
    'evaluateAgain: false,',
  ),
  one(
    'replayed-without-waiting',
    'a journal file is removed before the store has what it keeps',
    'src/preferences/journal.ts',
    'await Promise.all(appends.map((item) => append(item)));',
    'void Promise.allSettled(appends.map((item) => append(item)));',
  ),
  one(
    'unknown-counts-as-done',
    'a write of which nobody knows whether it happened is acknowledged',
    'src/preferences/append.ts',
    'if (!isUnavailable(error) || machine.elapsed() >= retryUntil) throw error;',
    'if (!isUnavailable(error)) throw error;\n      if (machine.elapsed() >= retryUntil) return;',
  ),
];
