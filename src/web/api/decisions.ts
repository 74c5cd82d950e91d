import { z } from 'zod';
import { ADDRESS_KIND } from '../../core/contact-keys.js';
import { HushError } from '../../core/errors.js';
import type { DecisionQuery, DecisionSubject } from '../../preferences/decisions.js';
import { parseJson, utf8 } from '../middleware/json.js';
import {
  answerAddresses,
  createAnswerWriter,
  giveAddress,
  MAX_ADDRESSES,
  newAnswers,
  subjectOfItem,
} from './address-answers.js';
import { type BatchAddresses, batchAddresses } from './batch-body.js';
import { type DecisionParts, streamDecisions } from './decision-lines.js';
import { type ContactRequest, decisionJson, type RequestReader, unknownKey } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';
import { contactSchema, decisionSchema, questionFields, questionSchema } from './schemas.js';

const NDJSON = 'application/x-ndjson';

const MAX_CONTACTS = 10_000;
/** As the schema of a contact has it. */
const MAX_EMAIL = 1000;

const batchSchema = z.strictObject({
  ...questionFields,
  contacts: z.array(contactSchema).max(MAX_CONTACTS, 'at most 10,000 contacts; send application/x-ndjson for more'),
});

/** A batch is answered whole or not at all: a decision that is left out would shift those behind it. */
function unknownKeys(fields: readonly string[]): HushError {
  const [first = ''] = fields;
  const { kind, message, detail } = unknownKey(first);
  const errors = fields.map((field) => ({ field, message: 'nobody is known under this key' }));
  return new HushError(kind, message, { ...detail, errors });
}

/** What an answer takes on the average. */
const ANSWER_BYTES = 100;

type BatchBody = z.infer<typeof batchSchema> & { readonly addresses?: BatchAddresses & { readonly bytes: Buffer } };

/** A batch of email addresses, which need not be read as JSON. */
function quickBatch(bytes: Buffer): BatchBody | undefined {
  const addresses = batchAddresses(bytes, MAX_CONTACTS);
  if (!addresses || addresses.to.some((to, place) => to - addresses.from[place]! > MAX_EMAIL)) return undefined;
  try {
    const rest = batchSchema.safeParse(parseJson(utf8(addresses.rest)));
    return rest.success && rest.data.contacts.length === 0
      ? { ...rest.data, addresses: { ...addresses, bytes } }
      : undefined;
  } catch {
    return undefined;
  }
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

async function decideBatch(parts: DecisionParts, { body, request, response }: ApiRequest<BatchBody>) {
  const { reader, decisions } = parts;
  if (request.is(NDJSON)) {
    response.status(200).type(NDJSON);
    await streamDecisions(parts, request, response);
    return undefined;
  }
  const { contacts, addresses, ...fields } = body;
  const query = reader.decisionQuery(fields);
  if (addresses) {
    response
      .set('Content-Type', 'application/json; charset=utf-8')
      .send(await decideAddresses(parts, addresses, query));
    return undefined;
  }
  const subjects = contacts.map((contact, index) => subjectAt(reader, contact, index));
  const results = await decisions.decideAll(subjects, query);
  const unknown = results.flatMap((decision, index) => (decision ? [] : [`contacts.${index}.key`]));
  if (unknown.length > 0) throw unknownKeys(unknown);
  return { decisions: results.flatMap((decision) => (decision ? [decisionJson(decision)] : [])) };
}

function subjectAt(reader: RequestReader, contact: ContactRequest, index: number): DecisionSubject {
  try {
    return reader.decisionSubject(contact);
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    throw new HushError(error.kind, error.message, {
      ...error.detail,
      field: `contacts.${index}.${error.detail.field?.replace(/^contact\./, '') ?? ''}`,
    });
  }
}

/** The answer to a batch of email addresses, as JSON. */
async function decideAddresses(
  { reader, decisions, keys, machine }: DecisionParts,
  { bytes, from, to, count }: BatchAddresses & { readonly bytes: Buffer },
  query: DecisionQuery,
): Promise<Buffer> {
  const memory = await decisions.fromMemory(query);
  const answers = newAnswers(count);
  const open: { place: number; subject: DecisionSubject }[] = [];
  for (let first = 0; first < count; first += MAX_ADDRESSES) {
    // Others have their turn: whoever asks about one contact does not wait for a batch.
    if (first > 0) await machine.yieldTurn();
    const items = Math.min(MAX_ADDRESSES, count - first);
    let at = 0;
    for (let item = 0; item < items; item++) {
      at = giveAddress(keys, item, at, bytes, from[first + item]!, to[first + item]!);
    }
    keys.make(items);
    const place = (item: number) => first + item;
    answerAddresses(
      keys,
      items,
      () => memory,
      answers,
      place,
      (item) => {
        const email = bytes.toString('latin1', from[place(item)], to[place(item)]);
        const isOdd = keys.kinds[item] === ADDRESS_KIND.odd;
        const subject = isOdd ? subjectAt(reader, { email }, place(item)) : subjectOfItem(keys, item);
        open.push({ place: place(item), subject });
      },
    );
  }
  if (open.length > 0) {
    const results = await decisions.decideAll(
      open.map(({ subject }) => subject),
      query,
    );
    open.forEach(({ place }, index) => {
      const result = results[index];
      if (result) answers.others.set(place, result);
    });
  }
  if (memory) decisions.countGiven(memory);
  const out = createAnswerWriter(answers, count * ANSWER_BYTES);
  out.text('{"decisions":[');
  for (let place = 0; place < count; place++) {
    if (place > 0) out.text(',');
    out.answer(place);
  }
  out.text(']}');
  return out.bytes();
}

export function decisionRoutes(routes: ApiRoutes, parts: DecisionParts): void {
  routes.add({
    method: 'post',
    path: '/decisions',
    operationId: 'decide',
    tag: 'Decisions',
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
    operationId: 'decideBatch',
    tag: 'Decisions',
    summary: 'May we, for up to 10,000 contacts, or for any number as NDJSON',
    description:
      'As application/json: one question, many contacts; decisions in order. One contact that is wrong, or a key that nobody is known under, refuses the request and is named in `errors`. As application/x-ndjson: a whole question a line, an answer a line, in order, without limit; a line that is wrong is answered by a line {"problem": …}.',
    scope: 'decisions',
    takesContactKeys: true,
    body: batchSchema,
    quickBody: quickBatch,
    streams: [NDJSON],
    answer: z.object({ decisions: z.array(decisionSchema) }),
    handle: (call) => decideBatch(parts, call),
  });
}
