import { z } from 'zod';
import type { Clock } from '../../core/clock.js';
import { maskContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { presentAt } from '../../core/fold.js';
import { contactKeyText } from '../../core/keys.js';
import { inForce } from '../../core/standing.js';
import { type Facts, factsAt } from '../../core/view.js';
import type { Accept } from '../../preferences/accept.js';
import { addressOf } from '../../preferences/contact-address.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { Subject } from '../../preferences/draft.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import type { Replace } from '../../preferences/replacement.js';
import type { WriterIds } from '../../store/writer-ids.js';
import { onceByKey } from './idempotency.js';
import { iso, type RequestReader, unknownKey } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';
import { contactSchema, scopeSchema } from './schemas.js';

const stateSchema = z.object({
  contact: z.string(),
  known: z.boolean(),
  type: z.string().optional(),
  masked: z.string().optional(),
  person: z.string().optional(),
  denials: z.array(z.object({}).loose()),
  grants: z.array(z.object({}).loose()),
  facts: z.record(z.string(), z.unknown()),
  destinations: z.array(z.object({}).loose()),
});

const replacedSchema = z.object({
  from: z.string(),
  to: z.string(),
  carried: z.array(
    z.object({
      id: z.string(),
      receipt: z.string(),
      type: z.string(),
      scope: scopeSchema.optional(),
      until: z.string().optional(),
    }),
  ),
});

const factsJson = ({ purchaseAt, inquiryAt, signalIgnoredAt, ...facts }: Facts) => ({
  ...facts,
  ...(signalIgnoredAt === undefined ? {} : { signalIgnored: iso(signalIgnoredAt) }),
  ...(purchaseAt === undefined && inquiryAt === undefined
    ? {}
    : {
        implied: {
          ...(purchaseAt === undefined ? {} : { purchase: iso(purchaseAt) }),
          ...(inquiryAt === undefined ? {} : { inquiry: iso(inquiryAt) }),
        },
      }),
});

const lookUpBody = z.strictObject({ contact: contactSchema });

const linkBody = z.strictObject({
  contacts: z.array(contactSchema).min(2, 'give at least two contacts').max(50, 'at most 50 contacts at once'),
});

const replaceAddressBody = z.strictObject({ from: contactSchema, to: contactSchema });

interface ContactParts {
  readonly decisions: Decisions;
  readonly reader: RequestReader;
  readonly accept: Accept;
  readonly privateParts: PrivateParts;
  readonly clock: Clock;
  readonly replace: Replace;
  readonly writerIds: WriterIds;
  readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
}

async function lookUp(
  { reader, decisions, privateParts, clock }: ContactParts,
  { body }: ApiRequest<z.infer<typeof lookUpBody>>,
) {
  const subject = reader.decisionSubject(body.contact);
  const { key } = subject;
  const { contact, state } = await decisions.present(subject);
  const text = contactKeyText(key);
  if (!contact && 'key' in body.contact) throw unknownKey('contact.key');
  const address = contact && addressOf(privateParts, contact);
  const now = presentAt(state, clock.now());
  const standing = new Map(inForce(state, now).denials.map(({ denial, except }) => [denial, except] as const));
  const base = (atom: { at: number; id: string }) => ({ at: iso(atom.at), receipt: `r_${atom.id}` });
  return {
    contact: text,
    known: contact !== undefined,
    ...(contact ? { type: contact.type } : {}),
    ...(address ? { masked: maskContact(address) } : {}),
    ...(contact?.person ? { person: contact.person } : {}),
    denials: state.atoms.flatMap((atom) =>
      atom.t === 'denial'
        ? [
            {
              type: atom.type,
              scope: atom.scope,
              ...base(atom),
              ...(atom.until === undefined ? {} : { until: iso(atom.until) }),
              standing: standing.has(atom),
              ...(standing.get(atom)?.length ? { except: standing.get(atom) } : {}),
            },
          ]
        : [],
    ),
    grants: state.atoms.flatMap((atom) =>
      atom.t === 'grant'
        ? [
            {
              type: atom.type,
              scope: atom.scope,
              lifts: atom.lifts,
              ...base(atom),
              ...(atom.until === undefined ? {} : { until: iso(atom.until) }),
            },
          ]
        : [],
    ),
    facts: contact ? factsJson(factsAt(state, now)) : {},
    destinations: Object.entries(contact?.synced ?? {}).map(([destination, synced]) => ({
      destination,
      waiting: contact?.pendingSyncs.some((pendingSync) => pendingSync.destination === destination),
      bindings: Object.entries(synced.bindings).map(([binding, { suppressed, at, status }]) => ({
        binding,
        suppressed,
        status,
        at: iso(at),
      })),
    })),
  };
}

async function link(
  parts: Pick<ContactParts, 'reader' | 'subjectByKey' | 'accept'>,
  { body }: ApiRequest<z.infer<typeof linkBody>>,
) {
  const { reader, accept } = parts;
  const subjects = await Promise.all(body.contacts.map((contact) => reader.subject(contact, parts.subjectByKey)));
  const linked = await accept.link(subjects);
  if (linked.contacts.length < 2) {
    throw new HushError('invalid', 'these are one and the same contact', {
      field: 'contacts',
      remedy: 'give two different ones',
    });
  }
  return linked;
}

function replaceAddress(
  parts: ContactParts,
  { body, key, request, response }: ApiRequest<z.infer<typeof replaceAddressBody>>,
) {
  const { clock, reader } = parts;
  return onceByKey({ body, key, request, response }, { writerIds: parts.writerIds, clock }, async () => {
    const [from, to] = await Promise.all([
      reader.subjectIn('from', body.from, parts.subjectByKey),
      reader.subjectIn('to', body.to, parts.subjectByKey),
    ]);
    const { carried, ...ends } = await parts.replace(from, to, key.id);
    const answer = {
      ...ends,
      carried: carried.map(({ id, type, scope, until }) => ({
        id: `e_${id}`,
        receipt: `r_${id}`,
        type,
        ...(scope ? { scope } : {}),
        ...(until === undefined ? {} : { until: iso(until) }),
      })),
    };
    return { answer, settled: true };
  });
}

export function contactRoutes(routes: ApiRoutes, parts: ContactParts): void {
  routes.add({
    method: 'post',
    path: '/contacts/lookup',
    operationId: 'lookUpContact',
    tag: 'Contacts',
    summary: 'What is known of a contact',
    description:
      'The present state: denials and grants with their receipts, the facts that decisions go by, and what each destination was told. A denial is `standing` unless it is over or was lifted for all of its scope; `except` are the parts for which it was lifted. The address is masked.',
    scope: 'contacts',
    takesContactKeys: true,
    body: lookUpBody,
    answer: stateSchema,
    handle: (call) => lookUp(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/contacts/link',
    operationId: 'linkContacts',
    tag: 'Contacts',
    summary: 'Join contacts to one person',
    description: 'An event with reach `person` given for one of them then counts for all, those of the past included.',
    scope: 'contacts',
    takesContactKeys: true,
    body: linkBody,
    answer: z.object({ person: z.string(), contacts: z.array(z.string()) }),
    handle: (call) => link(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/contacts/replace',
    operationId: 'replaceContact',
    tag: 'Contacts',
    summary: 'Say that one address takes another’s place',
    description:
      'What stands denied for `from` is recorded for `to`, as events of its own that say where they come from: opt-outs, objections, complaints, pauses, a restriction, an erasure (as an opt-out of all marketing), that somebody is a minor. Nothing that allows goes along, and what is the address’s own stays with it (bounces, registries). The two share nothing afterwards; join them for that. The same again adds nothing, unless something was lifted for `to` meanwhile. An Idempotency-Key gives the same answer for 24 hours.',
    scope: 'contacts',
    takesContactKeys: true,
    conflict: 'This Idempotency-Key was used with another body',
    body: replaceAddressBody,
    answer: replacedSchema,
    handle: (call) => replaceAddress(parts, call),
  });
}
