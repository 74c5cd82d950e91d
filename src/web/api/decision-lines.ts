import type { Response } from 'express';
import { ADDRESS_KIND, type AddressKeys } from '../../core/contact-keys.js';
import { HushError } from '../../core/errors.js';
import type { Machine } from '../../core/machine.js';
import type { DecisionQuery, DecisionSubject, Decisions, SubjectDecision } from '../../preferences/decisions.js';
import { parseJson, utf8 } from '../middleware/json.js';
import { problemOf } from '../middleware/problem.js';
import {
  answerAddresses,
  createAnswerWriter,
  giveAddress,
  MAX_ADDRESSES,
  newAnswers,
  subjectOfItem,
} from './address-answers.js';
import { linesOf, TOO_LONG } from './ndjson.js';
import { type RequestReader, unknownKey } from './requests.js';
import { invalidFrom } from './route.js';
import { questionSchema } from './schemas.js';
import { drained } from './streams.js';

export interface DecisionParts {
  readonly decisions: Pick<Decisions, 'decideAll' | 'fromMemory' | 'countGiven'>;
  readonly reader: RequestReader;
  readonly keys: AddressKeys;
  readonly machine: Pick<Machine, 'yieldTurn'>;
}

const MAX_LINE_BYTES = 64 * 1024;
/** Bytes of lines that are answered together. */
const CHUNK_BYTES = 256 * 1024;
/** Contacts that the store is asked about with one read. */
const STORE_BATCH = 1000;
/** What an answer takes on the average. */
const ANSWER_BYTES = 120;
/** An address whose text as JSON is the text itself. */
const PLAIN_ADDRESS = /^[\w.+-]+@[\w.-]+$/;

const isBlank = (line: Uint8Array): boolean => line.every((byte) => byte === 32 || byte === 9);

interface Question {
  readonly subject: DecisionSubject;
  readonly query: DecisionQuery;
}
type Read = Question | { readonly problem: HushError };

/** What lines that are alike but for an address have before and behind it. */
interface Pattern {
  readonly before: Buffer;
  readonly after: Buffer;
  readonly query: DecisionQuery;
}

function readLine(
  { reader }: Pick<DecisionParts, 'reader'>,
  line: Buffer | typeof TOO_LONG,
): { read: Read; pattern?: Pattern } {
  try {
    if (line === TOO_LONG) {
      throw new HushError('invalid', 'the line is longer than 64 kB', {
        field: 'line',
        remedy: 'send one question a line',
      });
    }
    const parsed = questionSchema.safeParse(parseJson(utf8(line)));
    if (!parsed.success) throw invalidFrom(parsed.error);
    const { contact, ...fields } = parsed.data;
    const query = reader.decisionQuery(fields);
    const read = { subject: reader.decisionSubject(contact), query };
    const pattern = 'email' in contact ? patternOf(line, contact.email, query) : undefined;
    return pattern ? { read, pattern } : { read };
  } catch (error) {
    if (error instanceof HushError) return { read: { problem: error } };
    throw error;
  }
}

/** The pattern of a line about an address that stands in it once, as it is. */
function patternOf(line: Buffer, email: string, query: DecisionQuery): Pattern | undefined {
  const text = `"${email}"`;
  const at = line.indexOf(text);
  if (!PLAIN_ADDRESS.test(email) || at === -1 || line.indexOf(text, at + 1) !== -1) return undefined;
  return {
    before: Buffer.from(line.subarray(0, at + 1)),
    after: Buffer.from(line.subarray(at + text.length - 1)),
    query,
  };
}

function follows(line: Buffer, { before, after }: Pattern): boolean {
  const end = line.length - after.length;
  if (end < before.length) return false;
  for (let place = 0; place < before.length; place++) if (line[place] !== before[place]) return false;
  for (let place = 0; place < after.length; place++) if (line[end + place] !== after[place]) return false;
  return true;
}

/** A line that follows a pattern, or what was read of another. */
type Item = { readonly line: Buffer; readonly pattern: Pattern } | { readonly read: Read };
type OpenQuestion = Question & { readonly place: number };

/** What the store says, or the index of what is not ordinary: questions that are alike but for the contact together. */
async function askOpen(
  decisions: Pick<Decisions, 'decideAll'>,
  open: readonly OpenQuestion[],
  tell: (place: number, decision: SubjectDecision | undefined) => void,
): Promise<void> {
  const groups = new Map<string, OpenQuestion[]>();
  for (const question of open) {
    const { brand, channel, purpose, topic, at } = question.query;
    const name = `${brand}|${channel}|${purpose}|${topic}|${at}`;
    const group = groups.get(name);
    if (group) group.push(question);
    else groups.set(name, [question]);
  }
  await Promise.all(
    [...groups.values()].map(async (questions) => {
      const [first] = questions;
      if (!first) return;
      for (let from = 0; from < questions.length; from += STORE_BATCH) {
        const some = questions.slice(from, from + STORE_BATCH);
        const results = await decisions.decideAll(
          some.map(({ subject }) => subject),
          first.query,
        );
        some.forEach(({ place }, index) => {
          tell(place, results[index]);
        });
      }
    }),
  );
}

/** Answers to items, an answer a line. */
async function answerItems(parts: DecisionParts, items: readonly Item[]): Promise<Buffer> {
  const { decisions, keys, machine } = parts;
  const answers = newAnswers(items.length);
  const problems = new Map<number, HushError>();
  const open: OpenQuestion[] = [];
  const take = (place: number, read: Read) => {
    if ('problem' in read) problems.set(place, read.problem);
    else open.push({ ...read, place });
  };
  const alike: { place: number; line: Buffer; pattern: Pattern }[] = [];
  items.forEach((item, place) => {
    if ('read' in item) take(place, item.read);
    else alike.push({ place, ...item });
  });
  const queries = [...new Set(alike.map(({ pattern }) => pattern.query))];
  const memories = await Promise.all(queries.map((query) => decisions.fromMemory(query)));
  const memoryOf = new Map(queries.map((query, place) => [query, memories[place]]));
  for (let first = 0; first < alike.length; first += MAX_ADDRESSES) {
    if (first > 0) await machine.yieldTurn();
    const some = alike.slice(first, first + MAX_ADDRESSES);
    let at = 0;
    for (const [item, { line, pattern }] of some.entries()) {
      at = giveAddress(keys, item, at, line, pattern.before.length, line.length - pattern.after.length);
    }
    keys.make(some.length);
    answerAddresses(
      keys,
      some.length,
      (item) => memoryOf.get(some[item]!.pattern.query),
      answers,
      (item) => some[item]!.place,
      (item) => {
        const { place, line, pattern } = some[item]!;
        // What is between the two may be more than an address.
        if (keys.kinds[item] === ADDRESS_KIND.odd) take(place, readLine(parts, line).read);
        else open.push({ place, subject: subjectOfItem(keys, item), query: pattern.query });
      },
    );
  }
  await askOpen(decisions, open, (place, decision) => {
    if (decision) answers.others.set(place, decision);
    else problems.set(place, unknownKey('contact.key'));
  });
  for (const memory of memories) if (memory) decisions.countGiven(memory);
  const out = createAnswerWriter(answers, items.length * ANSWER_BYTES);
  for (let place = 0; place < items.length; place++) {
    const problem = problems.get(place);
    if (problem) out.text(JSON.stringify({ problem: problemOf(problem) }));
    else out.answer(place);
    out.text('\n');
  }
  return out.bytes();
}

/** Answers a stream of lines with a question each, an answer a line, in order. A failure breaks the connection. */
export async function streamDecisions(
  parts: DecisionParts,
  request: AsyncIterable<Uint8Array>,
  response: Response,
): Promise<void> {
  let items: Item[] = [];
  let size = 0;
  let pattern: Pattern | undefined;
  const flush = async () => {
    if (items.length === 0) return;
    const answered = items;
    [items, size] = [[], 0];
    if (!response.write(await answerItems(parts, answered))) await drained(response);
    await parts.machine.yieldTurn();
  };
  try {
    for await (const line of linesOf(request, MAX_LINE_BYTES)) {
      if (line !== TOO_LONG && isBlank(line)) continue;
      size += line === TOO_LONG ? 0 : line.length;
      if (line !== TOO_LONG && pattern && follows(line, pattern)) items.push({ line, pattern });
      else {
        const { read, pattern: next } = readLine(parts, line);
        items.push({ read });
        pattern = next ?? pattern;
      }
      if (items.length >= MAX_ADDRESSES || size >= CHUNK_BYTES) await flush();
      if (response.destroyed) return;
    }
    await flush();
    response.end();
  } catch (error) {
    // The status is sent: only a broken connection says that the answer is not whole.
    response.destroy(error instanceof Error ? error : new Error('failed part-way'));
  }
}
