import type { Response } from 'express';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { DecisionQuery, DecisionSubject, Decisions } from '../../preferences/decisions.js';
import { parseJson, utf8 } from '../middleware/json.js';
import { problemOf } from '../middleware/problem.js';
import { linesOf, TOO_LONG } from './ndjson.js';
import { decisionJson, type RequestReader, unknownKey } from './requests.js';
import { type ApiRequest, type ApiRoutes, invalidFrom } from './route.js';
import { contactSchema, decisionSchema, questionFields, questionSchema } from './schemas.js';
import { drained } from './streams.js';

const NDJSON = 'application/x-ndjson';
/** Lines answered with one read of the store. */
const CHUNK = 500;
const MAX_LINE_BYTES = 64 * 1024;

const isBlank = (line: Uint8Array): boolean => line.every((byte) => byte === 32 || byte === 9);

const batchSchema = z.strictObject({
  ...questionFields,
  contacts: z.array(contactSchema).max(10_000, 'at most 10,000 contacts; send application/x-ndjson for more'),
});

/** A batch is answered whole or not at all: a decision that is left out would shift those behind it. */
function unknownKeys(fields: readonly string[]): HushError {
  const [first = ''] = fields;
  const { kind, message, detail } = unknownKey(first);
  const errors = fields.map((field) => ({ field, message: 'nobody is known under this key' }));
  return new HushError(kind, message, { ...detail, errors });
}

type Line = { subject: DecisionSubject; query: DecisionQuery } | { problem: HushError };

interface DecisionParts {
  readonly decisions: Decisions;
  readonly reader: RequestReader;
}

async function decideOne(
  { decisions, reader }: Pick<DecisionParts, 'decisions' | 'reader'>,
  { body }: ApiRequest<z.infer<typeof questionSchema>>,
) {
  const { contact, ...query } = body;
  const [decision] = await decisions.decideAll([reader.decisionSubject(contact)], reader.decisionQuery(query));
  if (!decision) throw unknownKey('contact.key');
  return decisionJson(decision);
}

async function decideBatch(
  parts: Pick<DecisionParts, 'reader' | 'decisions'>,
  { body, request, response }: ApiRequest<z.infer<typeof batchSchema>>,
) {
  const { reader, decisions } = parts;
  if (request.is(NDJSON)) {
    response.status(200).type(NDJSON);
    await streamDecisions(parts, request, response);
    return undefined;
  }
  const { contacts, ...fields } = body;
  const query = reader.decisionQuery(fields);
  const subjects = contacts.map((contact, index) => {
    try {
      return reader.decisionSubject(contact);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      throw new HushError(error.kind, error.message, {
        ...error.detail,
        field: `contacts.${index}.${error.detail.field?.replace(/^contact\./, '') ?? ''}`,
      });
    }
  });
  const results = await decisions.decideAll(subjects, query);
  const unknown = results.flatMap((decision, index) => (decision ? [] : [`contacts.${index}.key`]));
  if (unknown.length > 0) throw unknownKeys(unknown);
  return { decisions: results.flatMap((decision) => (decision ? [decisionJson(decision)] : [])) };
}

function readLine({ reader }: Pick<DecisionParts, 'reader'>, line: Buffer | typeof TOO_LONG): Line {
  try {
    if (line === TOO_LONG) {
      throw new HushError('invalid', 'the line is longer than 64 kB', {
        field: 'line',
        remedy: 'send one question a line',
      });
    }
    const parsed = questionSchema.safeParse(parseJson(utf8(line)));
    if (!parsed.success) throw invalidFrom(parsed.error);
    const { contact, ...query } = parsed.data;
    return { subject: reader.decisionSubject(contact), query: reader.decisionQuery(query) };
  } catch (error) {
    if (error instanceof HushError) return { problem: error };
    throw error;
  }
}

async function decideLines({ decisions }: Pick<DecisionParts, 'decisions'>, lines: readonly Line[]): Promise<string> {
  // Questions that are alike but for the contact are answered together.
  const groups = new Map<string, { query: DecisionQuery; members: { index: number; subject: DecisionSubject }[] }>();
  lines.forEach((line, index) => {
    if ('problem' in line) return;
    const { brand, channel, purpose, topic, at } = line.query;
    const key = `${brand}|${channel}|${purpose}|${topic}|${at}`;
    const group = groups.get(key) ?? { query: line.query, members: [] };
    group.members.push({ index, subject: line.subject });
    groups.set(key, group);
  });
  const out: string[] = lines.map((line) =>
    'problem' in line ? JSON.stringify({ problem: problemOf(line.problem) }) : '',
  );
  await Promise.all(
    [...groups.values()].map(async ({ query, members }) => {
      const results = await decisions.decideAll(
        members.map(({ subject }) => subject),
        query,
      );
      members.forEach(({ index }, at) => {
        const decision = results[at];
        out[index] = JSON.stringify(
          decision ? decisionJson(decision) : { problem: problemOf(unknownKey('contact.key')) },
        );
      });
    }),
  );
  return `${out.join('\n')}\n`;
}

async function streamDecisions(
  parts: Pick<DecisionParts, 'decisions' | 'reader'>,
  request: AsyncIterable<Uint8Array>,
  response: Response,
): Promise<void> {
  let chunk: Line[] = [];
  const flush = async () => {
    if (chunk.length === 0) return;
    const text = await decideLines(parts, chunk);
    chunk = [];
    if (!response.write(text)) await drained(response);
  };
  try {
    for await (const line of linesOf(request, MAX_LINE_BYTES)) {
      if (line !== TOO_LONG && isBlank(line)) continue;
      chunk.push(readLine(parts, line));
      if (chunk.length >= CHUNK) await flush();
      if (response.destroyed) return;
    }
    await flush();
    response.end();
  } catch (error) {
    // The status is sent: only a broken connection says that the answer is not whole.
    response.destroy(error instanceof Error ? error : new Error('failed part-way'));
  }
}

export function decisionRoutes(routes: ApiRoutes, parts: DecisionParts): void {
  routes.add({
    method: 'post',
    path: '/decisions',
    summary: 'Ask whether a contact may be contacted',
    description:
      'Whether a brand may use a channel for a purpose to reach a contact, and why. Ask right before sending; treat no answer as no.',
    scope: 'decisions',
    takesContactKeys: true,
    body: questionSchema,
    answer: decisionSchema,
    handle: (call) => decideOne(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/decisions/batch',
    summary: 'May we, for up to 10,000 contacts, or for any number as NDJSON',
    description:
      'As application/json: one question, many contacts; decisions in order. One contact that is wrong, or a key that nobody is known under, refuses the request and is named in `errors`. As application/x-ndjson: a whole question a line, an answer a line, in order, without limit; a line that is wrong is answered by a line {"problem": …}.',
    scope: 'decisions',
    takesContactKeys: true,
    body: batchSchema,
    streams: [NDJSON],
    answer: z.object({ decisions: z.array(decisionSchema) }),
    handle: (call) => decideBatch(parts, call),
  });
}
