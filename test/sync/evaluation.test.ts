import { expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { machine } from '../../src/machine.js';
import { createEvaluation } from '../../src/sync/evaluation.js';

/** A worker with the configuration `ours`, while another one is in force. */
function setting(current: { readonly since: number; readonly seen?: number }) {
  let now = 1_000_000;
  const enforce = jest.fn(async (_hash: string) => undefined);
  const evaluation = createEvaluation({
    contacts: {} as never,
    projector: {} as never,
    configurations: {
      current: async () => ({
        hash: 'theirs',
        since: new Date(current.since),
        ...(current.seen === undefined ? {} : { seen: new Date(current.seen) }),
      }),
      enforce,
    } as never,
    configuration: 'ours',
    leaderFor: () => ({}) as never,
    log: pino({ level: 'silent' }),
    machine: { ...machine, now: () => now },
  });
  return {
    enforce,
    async lookAt(time: number): Promise<void> {
      now = time;
      await evaluation.once();
    },
  };
}

test('a configuration in force that no worker has any more gives way to one that a worker has', async () => {
  const { enforce, lookAt } = setting({ since: 0, seen: 1_000_000 });
  await lookAt(1_060_000);
  expect(enforce).not.toHaveBeenCalled();
  await lookAt(1_060_001);
  expect(enforce).toHaveBeenCalledWith('ours');
});

test('one that was never seen is given the same time from its beginning', async () => {
  const { enforce, lookAt } = setting({ since: 1_000_000 });
  await lookAt(1_050_000);
  expect(enforce).not.toHaveBeenCalled();
  await lookAt(1_070_000);
  expect(enforce).toHaveBeenCalledTimes(1);
});
