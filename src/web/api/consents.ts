import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { networkOf } from '../../core/ip-address.js';
import type { Purpose } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import type { Consents } from '../../preferences/consents.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import type { OpeningGuard } from '../../preferences/opening-guard.js';
import { fittingEvidence } from '../../preferences/private-part.js';
import { liftsFor, rightsOf } from './events.js';
import { iso, type RequestReader } from './requests.js';
import type { ApiRoutes } from './route.js';
import { consentSchema } from './schemas.js';

export function consentRoutes(
  routes: ApiRoutes,
  parts: {
    readonly accept: Accept;
    readonly consents: Consents;
    readonly guard: OpeningGuard;
    readonly reader: RequestReader;
    readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
  },
): void {
  const { accept, consents, reader } = parts;
  routes.add({
    method: 'post',
    path: '/consents',
    operationId: 'recordConsent',
    tag: 'Consent',
    summary: 'Start double opt-in, or record a consent with its evidence',
    description:
      '`double_opt_in` mails a button; nothing counts until it is pressed. `record` keeps a consent that was given elsewhere, with the notice agreed to.',
    scope: 'consents',
    takesContactKeys: true,
    body: consentSchema,
    answer: z.object({
      status: z.enum(['mailed', 'recorded']),
      expires: z.string().optional(),
      id: z.string().optional(),
      receipt: z.string().optional(),
      contact: z.string().optional(),
    }),
    async handle({ body, key }) {
      reader.checkScope({ brand: body.brand, ...(body.topic === undefined ? {} : { topic: body.topic }) }, '');
      const scope = {
        brand: body.brand,
        channel: body.channel,
        purpose: body.purpose as Purpose,
        topic: body.topic ?? '*',
      };
      const language = body.notice.language ?? 'en';
      const evidence = Object.fromEntries(
        Object.entries(body.evidence ?? {}).filter(([, value]) => value !== undefined),
      ) as Record<string, string>;
      if (body.mode === 'double_opt_in') {
        if ('key' in body.contact)
          throw new HushError('invalid', 'mail needs an address', {
            field: 'contact.key',
            remedy: 'give the email address',
          });
        const { expires } = await consents.begin({
          point: reader.pointOf(body.contact),
          scope,
          notice: body.notice,
          language,
          evidence,
          until: body.until,
          asker: typeof evidence.ip === 'string' ? networkOf(evidence.ip) : `key:${key.id}`,
        });
        return { status: 'mailed', expires: iso(expires) };
      }
      const text = consents.wording(body.notice, language);
      const consent: Draft = {
        subject: await reader.subject(body.contact, parts.subjectByKey),
        type: 'consent_granted',
        scope,
        source: { kind: 'api' },
        lifts: liftsFor(key, body.lifts),
        notice: { id: body.notice.id, version: body.notice.version },
        evidence: fittingEvidence({ wording: text, ...evidence }),
        at: body.at,
        ...(body.until === undefined ? {} : { until: body.until }),
      };
      const { draft } = await parts.guard(consent, rightsOf(key));
      const accepted = await accept.accept(draft);
      return { status: 'recorded', id: `e_${accepted.id}`, receipt: `r_${accepted.id}`, contact: accepted.contact };
    },
  });
}
