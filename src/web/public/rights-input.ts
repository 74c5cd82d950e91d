import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { isJurisdiction } from '../../core/jurisdiction.js';
import { REQUEST_KINDS, type RequestKind, takesEffectAtOnce } from '../../core/request.js';
import type { Words } from '../words.js';

/** Of a place that has no code of its own. */
export const ELSEWHERE = 'ZZ';

/** Fields of the form: read, cut to a length, and shown again as they were typed. */
export const RIGHTS_FIELDS = [
  'kind',
  'who',
  'name',
  'address',
  'phone',
  'postal',
  'place',
  'words',
  'agentName',
  'agentEmail',
  'publicKey',
] as const;
type Field = (typeof RIGHTS_FIELDS)[number];

/** What is wrong with a field; an empty name is of the whole form. */
export interface Fault {
  readonly field: string;
  readonly message: string;
}

/** What somebody asks for by the form, checked. */
export interface FormInput {
  readonly kind: RequestKind;
  readonly points: readonly ContactPoint[];
  readonly name: string;
  readonly description: string;
  readonly postal: string;
  readonly publicKey?: string;
  readonly jurisdiction?: string;
  readonly agent?: { readonly name: string; readonly email: string };
}

/** Reads the form field by field: what is asked for, or all that is wrong with it. */
export function readRightsForm(
  values: Readonly<Record<Field, string>>,
  t: Words,
  country: string,
): { readonly input?: FormInput; readonly faults: Fault[] } {
  const faults: Fault[] = [];
  const missing = (name: string) => faults.push({ field: name, message: t(`rights.fault.${name}`) });

  function pointOf(contact: Parameters<typeof normaliseContact>[0], field: Field): ContactPoint | undefined {
    try {
      return normaliseContact(contact, country);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      faults.push({ field, message: t(`rights.fault.${'phone' in contact ? 'badPhone' : 'badEmail'}`) });
      return undefined;
    }
  }

  const kind = REQUEST_KINDS.find((item) => item === values.kind);
  const needsAnswer = kind !== undefined && !takesEffectAtOnce(kind);
  const isAgent = values.who === 'agent';
  if (!kind) missing('kind');
  const email = values.address ? pointOf({ email: values.address }, 'address') : undefined;
  const number = values.phone ? pointOf({ phone: values.phone }, 'phone') : undefined;
  if (!values.address && !values.phone) missing('address');
  // An answer has to reach somebody: by mail, or by post. What only stops needs none.
  else if (needsAnswer && !email && !values.postal && !(isAgent && values.agentEmail) && faults.length === 0)
    missing('answer');
  if (needsAnswer && values.name === '') missing('name');
  if (isAgent && values.agentName === '') missing('agentName');
  const agentEmail = isAgent && values.agentEmail ? pointOf({ email: values.agentEmail }, 'agentEmail') : undefined;
  if (isAgent && values.agentEmail === '') missing('agentEmail');
  const place = values.place === ELSEWHERE ? '' : values.place;
  if (place !== '' && !isJurisdiction(place)) missing('place');
  if (faults.length > 0 || !kind) return { faults };
  return {
    faults,
    input: {
      kind,
      points: [email, number].filter((point) => point !== undefined),
      name: values.name,
      description: values.words,
      postal: values.postal,
      ...(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/.test(values.publicKey) ? { publicKey: values.publicKey } : {}),
      ...(place === '' ? {} : { jurisdiction: place }),
      ...(agentEmail ? { agent: { name: values.agentName, email: agentEmail.given } } : {}),
    },
  };
}
