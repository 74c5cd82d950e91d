import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { fileDestination, startHush } from '../support/hush.js';
import { until } from '../support/until.js';

const csv = { ...fileDestination, settings: { folder: 'suppressions', format: 'csv', fullEverySeconds: 0 } };

test('a file destination whose folder was lost publishes nothing short: it is written anew from the store', async () => {
  const first = await startHush({ destinations: [csv] });
  const folder = path.join(first.dir, 'suppressions');
  const file = path.join(folder, 'offers.full.csv');
  /** Addresses of the full file; undefined while none is published. */
  const published = async () => {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return text?.split('\r\n').flatMap((line) => /[^,]+@example\.com/.exec(line)?.[0] ?? []).length;
  };
  const optOut = (hush: typeof first, ...names: string[]) =>
    hush.ask('/v1/events', {
      events: names.map((name) => ({
        contact: { email: `${name}@example.com` },
        type: 'opted_out',
        source: { kind: 'api' },
      })),
    });
  try {
    await optOut(first, ...Array.from({ length: 300 }, (_, n) => `p${n}`));
    await until(async () => {
      await first.settle();
      return (await published()) === 300;
    });
    // Files that readers know keep their names and numbers.
    expect(await readdir(folder)).toContain('offers.list');
    await first.stop(true);
    await rm(folder, { recursive: true });
    const second = await startHush({ destinations: [csv], from: first });
    try {
      await optOut(second, 'late');
      // Whatever is published, at any moment, is whole.
      await until(async () => {
        const count = await published();
        if (count !== undefined) expect(count).toBeGreaterThanOrEqual(300);
        await second.settle();
        return count === 301;
      });
      expect(second.logged.filter((line) => line.includes('written anew from the store'))).toHaveLength(1);
      // A lost folder is found without an opt-out that would be added to it.
      await rm(folder, { recursive: true });
      await until(async () => {
        const count = await published();
        if (count !== undefined) expect(count).toBe(301);
        return count === 301;
      });
    } finally {
      await second.stop();
    }
  } finally {
    await first.stop().catch(() => undefined);
  }
});
