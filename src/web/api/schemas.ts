import { extendZodWithOpenApi } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { isTimeZone } from '../../core/calendar.js';
import { CADENCES, EVENT_TYPES, RELATIONSHIPS, SOURCE_KINDS } from '../../core/event.js';
import { isJurisdiction } from '../../core/jurisdiction.js';
import { CHANNELS, MARKETING_PURPOSES, PURPOSES } from '../../core/scope.js';

extendZodWithOpenApi(z);

const text = (largest: number) => z.string().min(1).max(largest);

/** RFC 3339 with an offset, as milliseconds. */
export const time = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/,
    'write a time as 2026-06-15T15:00:00Z',
  )
  .refine((value) => Number.isFinite(Date.parse(value)) && isRealDay(value), 'there is no such time')
  .transform((value) => Date.parse(value))
  .openapi({ type: 'string', format: 'date-time', example: '2026-06-15T15:00:00Z' });

/** Date.parse turns 31 February into 3 March. */
function isRealDay(value: string): boolean {
  const [year = 0, month = 0, day = 0] = value.slice(0, 10).split('-').map(Number);
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

export const contactSchema = z
  .union(
    [
      z.strictObject({ email: z.string().max(1000) }),
      z.strictObject({ phone: z.string().max(100) }),
      z.strictObject({
        postal: z.strictObject({
          name: z.string().max(200).optional(),
          line1: text(200),
          line2: z.string().max(200).optional(),
          city: text(100),
          region: z.string().max(100).optional(),
          postalCode: text(20),
          country: z.string().max(2).optional(),
        }),
      }),
      z.strictObject({ id: z.string().max(300) }),
      z.strictObject({ key: z.string().regex(/^c_[0-9a-z]{26}$/, 'a key is c_ and 26 letters, as answers give it') }),
    ],
    { error: 'give exactly one of email, phone, postal, id ("system:value") or key ("c_…")' },
  )
  .openapi('Contact', { example: { email: 'ana@example.com' } });

const brand = text(32).openapi({ example: 'jmf' });
const topic = text(32);

export const scopeSchema = z
  .strictObject({
    brand: brand.optional(),
    channel: z.enum([...CHANNELS, '*']).optional(),
    purpose: z.enum([...PURPOSES, 'marketing', '*']).optional(),
    topic: topic.optional(),
  })
  .openapi('Scope', {
    description: 'What it is about. A missing field is `*`, everything; purpose may be the group `marketing`.',
  });

export const questionFields = {
  brand,
  channel: z.enum(CHANNELS),
  purpose: z.enum(PURPOSES),
  topic: topic.optional(),
  at: time.optional(),
};

export const questionSchema = z.strictObject({ contact: contactSchema, ...questionFields }).openapi('Question');

export const decisionSchema = z
  .object({
    allowed: z.boolean(),
    reason: z.string(),
    since: z.string().optional(),
    scope: scopeSchema.optional(),
    receipt: z.string().optional(),
    exceptTopics: z.array(z.string()).optional(),
    cadence: z.enum(CADENCES).optional(),
    fallbackChannel: z.literal('mail').optional(),
    retryAfter: z.string().optional(),
  })
  .openapi('Decision');

const evidence = z.record(z.string().max(64), z.union([z.string().max(900), z.number(), z.boolean(), z.null()]));

export const sourceSchema = z
  .strictObject({
    kind: z.enum(SOURCE_KINDS),
    actor: text(200).optional(),
    destination: text(64).optional(),
    evidence: evidence.optional(),
  })
  .openapi('Source');

const nullable = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** Text that is no code is refused: taken for "unknown" it would let the rules of another country count. */
export const jurisdictionSchema = z.string().refine(isJurisdiction, 'write an ISO 3166 code such as US-CA or DE');

export const eventSchema = z
  .strictObject({
    id: text(128).optional(),
    contact: contactSchema,
    type: z.enum(EVENT_TYPES),
    scope: scopeSchema.optional(),
    at: time.optional(),
    until: time.optional(),
    reach: z.enum(['contact', 'person']).optional(),
    lifts: z.enum(['any', 'same_source', 'none']).optional(),
    source: sourceSchema.default({ kind: 'api' }),
    kind: z.enum(['hard', 'soft']).optional(),
    channel: z.enum(CHANNELS).optional(),
    registry: text(64).optional(),
    relationship: nullable(z.enum(RELATIONSHIPS)),
    jurisdiction: nullable(jurisdictionSchema),
    timeZone: nullable(z.string().max(64).refine(isTimeZone, 'write an IANA time zone such as America/Chicago')),
    minor: nullable(z.boolean()),
    language: nullable(z.string().regex(/^[a-z]{2}$/, 'write an ISO 639-1 code such as es')),
    implied: nullable(z.enum(['purchase', 'inquiry'])),
    cadence: z.enum(CADENCES).optional(),
    notice: z.strictObject({ id: text(64), version: text(32) }).optional(),
  })
  .superRefine((event, context) => {
    const need = (field: keyof typeof event, why: string) => {
      if (event[field] === undefined) context.addIssue({ code: 'custom', path: [field], message: why });
    };
    const only = (field: keyof typeof event, types: readonly string[]) => {
      if (event[field] !== undefined && !types.includes(event.type)) {
        context.addIssue({
          code: 'custom',
          path: [field],
          message: `${field} has no meaning for ${event.type}; leave it out`,
        });
      }
    };
    if (event.type === 'paused') need('until', 'a pause has an end: give until');
    if (event.type === 'bounced') need('kind', 'say hard or soft');
    if (event.type === 'unreachable' || event.type === 'reachable') need('channel', 'say which channel');
    if (event.type === 'registry_listed' || event.type === 'registry_unlisted')
      need('registry', 'say which registry, such as us-national');
    if (event.type === 'cadence_set') need('cadence', `say how often: ${CADENCES.join(', ')}`);
    only('kind', ['bounced']);
    only('channel', ['unreachable', 'reachable']);
    only('registry', ['registry_listed', 'registry_unlisted']);
    only('cadence', ['cadence_set']);
    only('lifts', ['opted_in', 'consent_granted']);
    only('until', ['paused', 'consent_granted']);
    for (const field of ['relationship', 'jurisdiction', 'timeZone', 'minor', 'language', 'implied'] as const)
      only(field, ['profile']);
  })
  .openapi('Event');

export type EventInput = z.infer<typeof eventSchema>;

export const linkSchema = z.strictObject({
  contact: contactSchema,
  brand,
  channel: z.enum(CHANNELS).default('email'),
  purpose: z.enum(PURPOSES),
  topic: topic.optional(),
  campaign: z.string().max(64).optional(),
});

export const consentSchema = z
  .strictObject({
    contact: contactSchema,
    brand,
    channel: z.enum(CHANNELS).default('email'),
    purpose: z.enum(MARKETING_PURPOSES as [string, ...string[]]),
    topic: topic.optional(),
    mode: z.enum(['double_opt_in', 'record']),
    notice: z.strictObject({ id: text(64), version: text(32), language: text(8).optional() }),
    at: time.optional(),
    until: time.optional(),
    lifts: z.enum(['any', 'none']).optional(),
    evidence: z
      .strictObject({
        wording: z.string().max(600).optional(),
        formUrl: z.string().max(300).optional(),
        ip: z.string().max(45).optional(),
        userAgent: z.string().max(300).optional(),
      })
      .optional(),
  })
  .openapi('Consent');
