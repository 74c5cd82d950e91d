import { z } from 'zod';
import { isTimeZone } from '../core/calendar.js';
import { isJurisdiction } from '../core/jurisdiction.js';
import type { Policy } from '../core/policy.js';
import { CHANNELS, PURPOSES } from '../core/scope.js';
import { readYamlFile } from './yaml-file.js';

const jurisdiction = z
  .string('write a code in quotes: YAML reads NO as false')
  .refine((code) => code === '*' || isJurisdiction(code), "write an ISO 3166 code such as US or US-CA, or '*'");
const jurisdictions = z.array(jurisdiction).min(1);
const months = z.strictObject({ purchase: z.number().int().min(0), inquiry: z.number().int().min(0) });
const span = z
  .strictObject({
    days: z.number().int().positive().optional(),
    months: z.number().int().positive().optional(),
  })
  .refine(({ days, months: calendar }) => days !== undefined || calendar !== undefined, 'write days or months');

/** Fewest days that a span can have: a month of February. */
function shortest(time: { readonly days?: number | undefined; readonly months?: number | undefined }): number {
  return (time.days ?? 0) + (time.months ?? 0) * 28;
}

const hour = z.number().int().min(0).max(24);

const mailDomain = z
  .string()
  .regex(
    /^(\*|[a-z0-9-]+(\.[a-z0-9-]+)+)$/,
    "write a mail domain in lower case, its punycode where it has one, or '*'",
  );
const mailbox = z
  .strictObject({
    domains: z.array(mailDomain).min(1),
    dots: z.literal('ignored').optional(),
    tags: z.string().min(1).max(3).optional(),
  })
  .refine(({ domains }) => domains.length === 1 || !domains.includes('*'), {
    path: ['domains'],
    message: "'*' is every domain, each for itself: let it stand alone",
  });

const policySchema = z.strictObject({
  defaultJurisdiction: jurisdiction,
  consent: z.array(
    z.strictObject({
      jurisdictions,
      channels: z.array(z.enum([...CHANNELS, '*'])).min(1),
      purposes: z.array(z.enum([...PURPOSES, 'marketing'])).min(1),
      implied: months.optional(),
      optInSuffices: z.boolean().optional(),
    }),
  ),
  callingHours: z.array(z.strictObject({ jurisdictions, from: hour, to: hour })),
  unknownZones: z.array(
    z.strictObject({
      jurisdictions,
      zones: z.array(z.string().refine(isTimeZone, 'write an IANA time zone such as America/Chicago')).min(1),
    }),
  ),
  registryRelationship: months,
  softBounces: z.strictObject({ count: z.number().int().min(1), days: z.number().int().min(1) }),
  // Without a word of the operator's: what Gmail does. https://support.google.com/mail/answer/7436150
  mailboxes: z.array(mailbox).default([{ domains: ['gmail.com', 'googlemail.com'], dots: 'ignored' }]),
  optOutSignal: z.strictObject({ afterConsent: z.enum(['ask', 'honour']) }).default({ afterConsent: 'ask' }),
  requests: z
    .array(
      z
        .strictObject({
          jurisdictions,
          answer: span,
          extension: span,
          acknowledgeBusinessDays: z.number().int().min(0),
          alertDays: z.array(z.number().int().positive()).min(1),
          timeZone: z.string().refine(isTimeZone, 'write an IANA time zone such as America/Chicago'),
        })
        .refine(({ answer, alertDays }) => alertDays.every((day) => day < shortest(answer)), {
          path: ['alertDays'],
          message:
            'an alert comes before the deadline: name days that are fewer than those of the answer (28 for a month)',
        }),
    )
    .refine((clocks) => clocks.some(({ jurisdictions: covered }) => covered.includes('*')), {
      message: "the last clock is for jurisdictions: ['*'], so that every request has one",
    }),
  secondPerson: z.strictObject({ erasures: z.boolean() }).default({ erasures: false }),
  // 11 CCR 7101(a): at least 24 months.
  requestRecordMonths: z.number().int().min(24, '11 CCR 7101 asks for 24 months at least'),
  // Records of requests count among what staff did: 11 CCR 7101(a) again.
  auditTrailMonths: z.number().int().min(24, '11 CCR 7101 asks for 24 months at least'),
  auditExportDays: z.number().int().min(1).max(90),
  accessPackageDays: z.number().int().min(1).max(90),
});

/** Drops keys that are present but undefined, which the exact optional types of core do not allow. */
function exact<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Reads `policy.yaml`. Throws ConfigError with file, line and remedy. */
export function readPolicy(file: string): Policy {
  return exact(readYamlFile(file, policySchema)) as Policy;
}
