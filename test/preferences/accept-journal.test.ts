import { expect, test } from '@jest/globals';
import { mongo } from 'mongoose';
import { createClock } from '../../src/core/clock.js';
import { normaliseContact } from '../../src/core/contact-point.js';
import { machine } from '../../src/machine.js';
import { createAccept } from '../../src/preferences/accept.js';
import { createPrivateParts } from '../../src/preferences/private-part.js';

const keyring = {
  lookup: Buffer.alloc(32, 1),
  current: 1,
  roots: new Map([[1, Buffer.alloc(32, 2)]]),
  randomBytes: machine.randomBytes,
};
const away = () => Promise.reject(new mongo.MongoNetworkError('away'));

/** A process whose store is away, with a journal that does what is asked. */
const acceptWith = (write: () => Promise<undefined>) =>
  createAccept({
    contacts: { append: away, appendOverflow: away },
    projection: { projectSoon: () => undefined },
    machine,
    keyring,
    privateParts: createPrivateParts(keyring),
    aliasGroupOf: () => undefined,
    clock: createClock(machine.now),
    journal: { write, replay: async () => 0, holds: () => false },
  } as never);
const optOut = {
  subject: { point: normaliseContact({ email: 'ada@example.com' }) },
  type: 'opted_out',
  source: { kind: 'link' },
} as const;

test('while the store is away an opt-out is acknowledged from the journal', async () => {
  expect(await acceptWith(async () => undefined).accept(optOut)).toMatchObject({ contact: expect.any(String) });
});

test('while the journal cannot be written either, it is not acknowledged, and whoever said it is to try again', async () => {
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  await expect(acceptWith(() => Promise.reject(full)).accept(optOut)).rejects.toMatchObject({ kind: 'unavailable' });
});
