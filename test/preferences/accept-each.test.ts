import { expect, test } from '@jest/globals';
import { HushError } from '../../src/core/errors.js';
import { contactKeyText, eventId } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { acceptEach } from '../../src/preferences/accept-each.js';
import { type Accepted, type Draft, subjectKey } from '../../src/preferences/draft.js';

const keyring = { lookup: Buffer.alloc(32, 1), current: 1, roots: new Map(), randomBytes: machine.randomBytes };
const draftOf = (byte: number): Draft => ({
  subject: { key: Buffer.alloc(16, byte), type: 'email' },
  type: 'opted_out',
  source: { kind: 'api' },
});
const accepted = ({ subject }: Draft): Accepted => {
  const key = subjectKey(keyring, subject);
  return { id: eventId(keyring, key), contact: contactKeyText(key), at: 1 };
};

test('everything that was accepted comes back in order', async () => {
  const results = await acceptEach({ acceptAll: async (drafts) => drafts.map(accepted) }, [draftOf(2), draftOf(1)]);
  expect(results.map(({ contact }) => contact)).toEqual([2, 1].map((byte) => contactKeyText(Buffer.alloc(16, byte))));
});

test('one that failed fails all, with the fault of the first', async () => {
  const first = new HushError('unavailable', 'the store is away');
  const faults = [undefined, first, new Error('another')];
  const acceptAll = async (drafts: readonly Draft[]) => drafts.map((draft, at) => faults[at] ?? accepted(draft));
  await expect(acceptEach({ acceptAll }, [1, 2, 3].map(draftOf))).rejects.toBe(first);
});
