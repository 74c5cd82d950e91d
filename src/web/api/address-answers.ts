import { ADDRESS_KIND, type AddressKeys } from '../../core/contact-keys.js';
import { writeIso } from '../../core/iso-time.js';
import { eventIdText } from '../../core/keys.js';
import type { DecisionSubject, SubjectDecision } from '../../preferences/decisions.js';
import type { Verdict, Verdicts } from '../../preferences/verdicts.js';
import { decisionJson } from './requests.js';

/** Addresses that are made keys of in one turn. */
export const MAX_ADDRESSES = 2048;
/** Longer ones are not ordinary. */
const MAX_ADDRESS_BYTES = 64;
/** Bytes of JSON that an answer takes besides its verdict's own: a time and an id. */
const DATED_BYTES = 64;

/** Answers in the order asked, those of which only the store knows still missing. */
export interface Answers {
  readonly verdicts: (Verdict | undefined)[];
  /** Of each, where its verdict is dated: when (ms), and the 12 bytes of the event's id as three words. */
  readonly since: Float64Array;
  readonly ids: Uint32Array;
  /** Answers of the store, by place. */
  readonly others: Map<number, SubjectDecision>;
}

export const newAnswers = (count: number): Answers => ({
  verdicts: Array<Verdict | undefined>(count).fill(undefined),
  since: new Float64Array(count),
  ids: new Uint32Array(count * 3),
  others: new Map(),
});

/** Puts an address where the program looks for it, behind those before it; returns where the next one goes. */
export function giveAddress(
  keys: AddressKeys,
  item: number,
  at: number,
  bytes: Buffer,
  from: number,
  to: number,
): number {
  const length = to - from > MAX_ADDRESS_BYTES ? 0 : to - from;
  for (let place = 0; place < length; place++) keys.text[at + place] = bytes[from + place]!;
  keys.spans[item * 2] = at;
  keys.spans[item * 2 + 1] = length;
  return at + length;
}

/**
 * Answers from memory about addresses whose keys have just been made.
 *
 * @param open told the places in `keys` that only the store can say something about, or the rules
 */
export function answerAddresses(
  keys: AddressKeys,
  count: number,
  memoryOf: (item: number) => Verdicts | undefined,
  { verdicts, since, ids }: Answers,
  placeOf: (item: number) => number,
  open: (item: number) => void,
): void {
  for (let item = 0; item < count; item++) {
    const kind = keys.kinds[item];
    const isMade = kind === ADDRESS_KIND.alone || kind === ADDRESS_KIND.grouped;
    const groups = kind === ADDRESS_KIND.grouped ? keys.groups : undefined;
    const memory = memoryOf(item);
    const verdict = isMade ? memory?.of(keys.keys, item * 4, groups, undefined) : undefined;
    if (!verdict || !memory) {
      open(item);
      continue;
    }
    const place = placeOf(item);
    verdicts[place] = verdict;
    if (verdict.dated) {
      since[place] = memory.since();
      memory.eventWords(keys.keys, item * 4, ids, place * 3);
    }
  }
}

/** The subject of an ordinary address whose key is made. */
export function subjectOfItem(keys: AddressKeys, item: number): DecisionSubject {
  const from = keys.spans[item * 2]!;
  const given = Buffer.from(keys.text.subarray(from, from + keys.spans[item * 2 + 1]!)).toString('latin1');
  const key = Buffer.allocUnsafe(16);
  for (let word = 0; word < 4; word++) key.writeUInt32BE(keys.keys[item * 4 + word]!, word * 4);
  return { key, point: { type: 'email', normalised: given.toLowerCase(), given } };
}

/** JSON of a verdict: whole, or what stands before its time, before the event's id, and behind that. */
function partsOf({ decision, dated }: Verdict): readonly Buffer[] {
  if (!dated) return [Buffer.from(JSON.stringify(decisionJson(decision)))];
  const text = JSON.stringify(decisionJson({ ...decision, since: 0, event: '@' }));
  return text.split(/1970-01-01T00:00:00\.000Z|(?<="receipt":"r_)@/).map((part) => Buffer.from(part));
}

/** Writes answers as JSON, one behind the other. */
export function createAnswerWriter(answers: Answers, estimate: number) {
  const texts = new Map<Verdict, readonly Buffer[]>();
  let out = Buffer.allocUnsafe(estimate);
  let at = 0;
  function room(size: number): void {
    if (at + size <= out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(out.length * 2, at + size));
    out.copy(larger, 0, 0, at);
    out = larger;
  }
  function put(bytes: Buffer): void {
    room(bytes.length);
    // Short, so that a call for it would cost more.
    for (let place = 0; place < bytes.length; place++) out[at + place] = bytes[place]!;
    at += bytes.length;
  }
  return {
    text(text: string): void {
      room(Buffer.byteLength(text));
      at += out.write(text, at);
    },
    /** The answer at a place; false where there is none. */
    answer(place: number): boolean {
      const verdict = answers.verdicts[place];
      if (!verdict) {
        const other = answers.others.get(place);
        if (other) this.text(JSON.stringify(decisionJson(other)));
        return other !== undefined;
      }
      let parts = texts.get(verdict);
      if (!parts) {
        parts = partsOf(verdict);
        texts.set(verdict, parts);
      }
      put(parts[0]!);
      if (!verdict.dated) return true;
      room(DATED_BYTES);
      at = writeIso(out, at, answers.since[place]!);
      put(parts[1]!);
      const ids = answers.ids;
      room(DATED_BYTES);
      at = eventIdText(out, at, ids[place * 3]!, ids[place * 3 + 1]!, ids[place * 3 + 2]!);
      put(parts[2]!);
      return true;
    },
    bytes: (): Buffer => out.subarray(0, at),
  };
}
