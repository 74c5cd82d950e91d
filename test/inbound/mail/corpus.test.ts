import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseReturnedMail } from '../../../src/inbound/mail/parse.js';
import { type ReturnedKind, UNDISCLOSED_RECIPIENT } from '../../../src/inbound/mail/returned.js';
import { loadBounceRules } from '../../../src/inbound/mail/rules.js';
import { needing, SHARED } from '../../support/needs.js';

const folder = resolve(SHARED, 'corpora/bounces');
const missing = existsSync(resolve(folder, 'expected.ndjson')) ? undefined : `no corpus at ${folder}: set HUSH_SHARED`;

interface Expected {
  file: string;
  recipients: { address: string; kind: ReturnedKind }[];
}

needing(missing).test('real returned mail: 95 % right, no wrong hard, no missed complaint', async () => {
  const rules = await loadBounceRules();
  const lines = readFileSync(resolve(folder, 'expected.ndjson'), 'utf8').trim().split('\n');
  let total = 0;
  let right = 0;
  const wrong: string[] = [];
  const wrongHard: string[] = [];
  const missedComplaints: string[] = [];
  for (const expected of lines.map((line) => JSON.parse(line) as Expected)) {
    const found = parseReturnedMail(readFileSync(resolve(folder, 'messages', expected.file)), rules).recipients;
    for (const want of expected.recipients) {
      total += 1;
      const at = found.findIndex((r) => r.address.toLowerCase() === want.address.toLowerCase());
      const got = at < 0 ? undefined : found.splice(at, 1)[0];
      if (got?.kind === want.kind) right += 1;
      else wrong.push(`${expected.file}: ${want.address} is ${want.kind}, got ${got?.kind ?? 'nothing'}`);
      if (got?.kind === 'hard' && want.kind !== 'hard') wrongHard.push(expected.file);
      // Where the corpus names nobody, a complaint with the address of the embedded message is no missed one.
      const isKnown = got !== undefined || (want.address === UNDISCLOSED_RECIPIENT && found[0]?.kind === 'complaint');
      if (want.kind === 'complaint' && !isKnown) missedComplaints.push(expected.file);
    }
    for (const extra of found) {
      wrong.push(`${expected.file}: invented ${extra.address} ${extra.kind}`);
      if (extra.kind === 'hard') wrongHard.push(expected.file);
    }
  }
  console.info(`returned mail: ${right} of ${total} recipients right\n${wrong.join('\n')}`);
  expect({ wrongHard, missedComplaints }).toEqual({ wrongHard: [], missedComplaints: [] });
  expect(right / total).toBeGreaterThanOrEqual(0.95);
  expect(wrong.length).toBeLessThanOrEqual(total * 0.05);
});
