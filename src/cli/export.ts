import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { exportPeriod } from '../audit/export.js';
import { createLogSigner, originOf } from '../audit/log-keys.js';
import type { Environment } from '../config/environment.js';
import { ConfigError } from '../config/yaml-file.js';
import { DAY_MS } from '../core/calendar.js';
import { createClock } from '../core/clock.js';
import type { Stores } from '../store/open.js';
import { progressOn } from './progress.js';

function dayFrom(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(time)) throw new ConfigError(`${name} ${text} is no day. Write it as 2026-03-31.`);
  return time;
}

/** Writes a period with its proofs to a file, which gets its name only once it is whole. `.gz` is packed. */
export async function exportTo(
  file: string,
  period: { readonly from?: string; readonly to?: string },
  { log }: Pick<Stores, 'log'>,
  environment: Pick<Environment, 'keyring' | 'publicUrl'>,
): Promise<number> {
  const clock = createClock(Date.now);
  const origin = originOf(environment.publicUrl ?? 'http://hush.localhost');
  const signer = createLogSigner({ keyring: environment.keyring, origin, checkpoints: log.checkpoints, clock });
  const from = dayFrom(period.from, '--from');
  const to = dayFrom(period.to, '--to');
  const part = `${file}.part`;
  const disk = createWriteStream(part, { mode: 0o600 });
  const out = file.endsWith('.gz') ? createGzip() : disk;
  if (out !== disk) out.pipe(disk);
  const progress = progressOn(process.stderr, 'exporting');
  const { leaves } = await exportPeriod(
    // To the end of the day named.
    { stores: log, verifiers: signer.verifiers, from, to: to === undefined ? undefined : to + DAY_MS },
    out,
    progress.show,
  );
  out.end();
  await finished(disk);
  progress.end();
  await rename(part, file);
  return leaves;
}
