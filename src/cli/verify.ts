import { readFile } from 'node:fs/promises';
import { createLogSigner, originOf } from '../audit/log-keys.js';
import { type Fault, verifyLedger } from '../audit/verify.js';
import { verifyExport } from '../audit/verify-export.js';
import type { Environment } from '../config/environment.js';
import { ConfigError } from '../config/yaml-file.js';
import { createClock } from '../core/clock.js';
import { parseVerifier, type Verifier } from '../core/note.js';
import type { Stores } from '../store/open.js';
import { progressOn } from './progress.js';

export interface VerifyOptions {
  readonly json?: boolean;
  /** Verifier keys, or files with one a line. */
  readonly vkey?: readonly string[];
  /** Files with checkpoints that were kept elsewhere. */
  readonly trusted?: readonly string[];
}

type Say = (line: string) => void;

/** Prints a report; true when all is well. */
function printReport(
  report: { readonly ok: boolean; readonly faults: readonly Fault[] },
  summary: string,
  verdict: readonly [good: string, bad: string],
  options: VerifyOptions,
  say: Say,
): boolean {
  if (options.json) say(JSON.stringify(report));
  else {
    say(summary);
    for (const fault of report.faults) say(`${fault.kind}: ${fault.says}`);
    say(report.ok ? verdict[0] : verdict[1]);
  }
  return report.ok;
}

/** Keys as they are given: `name+hash+key`, or files as `/log/vkey` serves them. */
async function verifiersFrom(paths: readonly string[]): Promise<Verifier[]> {
  const texts = await Promise.all(
    paths.map(async (text) => (parseVerifier(text.trim()) ? text : readFile(text, 'utf8').catch(() => ''))),
  );
  const lines = texts.flatMap((text) => text.split('\n')).map((line) => line.trim());
  const verifiers = lines.flatMap((line) => parseVerifier(line) ?? []);
  if (verifiers.length === 0)
    throw new ConfigError('There is no verifier key in --vkey. Give a key, or a file as /log/vkey serves it.');
  return verifiers;
}

/** Checks a file that `hush export` or the console wrote, with nothing but the file and the log's key. */
export async function verifyFile(file: string, options: VerifyOptions, say: Say): Promise<boolean> {
  const progress = progressOn(process.stderr, 'checking');
  const verifiers = options.vkey ? await verifiersFrom(options.vkey) : undefined;
  const report = await verifyExport(file, verifiers ? { verifiers } : {}, progress.show);
  progress.end();
  const well = printReport(
    report,
    `${report.size} leaves, ${report.entries} entries unchanged, ${report.emptied} emptied by erasures`,
    ['The export is whole.', 'The export is NOT whole.'],
    options,
    say,
  );
  if (report.selfSigned && !options.json)
    say(
      'It was checked with the key it brings, which shows damage but no forgery: give --vkey with a key from elsewhere.',
    );
  return well;
}

/** Checks the record in the store. */
export async function verifyLive(
  { log, ledger }: Pick<Stores, 'log' | 'ledger'>,
  environment: Pick<Environment, 'keyring' | 'publicUrl'>,
  options: VerifyOptions,
  say: Say,
): Promise<boolean> {
  const clock = createClock(Date.now);
  const origin = originOf(environment.publicUrl ?? 'http://hush.localhost');
  const signer = createLogSigner({ keyring: environment.keyring, origin, checkpoints: log.checkpoints, clock });
  const verifiers = options.vkey ? await verifiersFrom(options.vkey) : signer.verifiers;
  const trusted = await Promise.all((options.trusted ?? []).map((file) => readFile(file, 'utf8')));
  const progress = progressOn(process.stderr, 'checking');
  const report = await verifyLedger({ stores: log, ledger, verifiers, trusted, now: clock.now() }, progress.show);
  progress.end();
  return printReport(
    report,
    `${report.size} leaves, ${report.entries} entries unchanged, ${report.emptied} emptied by erasures, ${report.checkpoints} checkpoints, ${report.waiting} waiting`,
    ['The record is whole.', 'The record is NOT whole.'],
    options,
    say,
  );
}
