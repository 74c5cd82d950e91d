import type { Catalog } from '../../core/catalog.js';
import { brandById, topicById } from '../../core/catalog.js';
import { type ContactInput, type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { withoutScheme } from '../../core/contact-scheme.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, contactKeyFromText, type Keyring } from '../../core/keys.js';
import type { Channel, Purpose, Scope } from '../../core/scope.js';
import type { DecisionQuery, DecisionSubject, SubjectDecision } from '../../preferences/decisions.js';
import type { Subject } from '../../preferences/draft.js';

type PostalInput = Extract<ContactInput, { postal: unknown }>['postal'];
export type ContactRequest =
  | { readonly email: string }
  | { readonly phone: string }
  | { readonly postal: PostalInput }
  | { readonly id: string }
  | { readonly key: string };

/** A key that nobody knows is an error on every route: it proves no contact, so nothing can be said or recorded of it. */
export function unknownKey(field: string): HushError {
  return new HushError('not_found', 'nobody is known under this key', { field, remedy: 'give the address instead' });
}

function keyOf(text: string): Buffer {
  const key = contactKeyFromText(text);
  if (key) return key;
  throw new HushError('invalid', 'this is not a key of a contact', {
    field: 'contact.key',
    remedy: 'use a key that an answer gave',
  });
}

/** Turns what requests say into what the parts below understand; names the field that is wrong. */
export function createRequestReader(parts: { readonly catalog: Catalog; readonly keyring: Keyring }) {
  const { catalog, keyring } = parts;

  function pointOf(contact: Exclude<ContactRequest, { key: string }>): ContactPoint {
    return normaliseContact(withoutScheme(contact), catalog.group.defaultCountry);
  }

  function checkScope(scope: Partial<Scope> | undefined, prefix = 'scope.'): void {
    if (scope?.brand !== undefined && scope.brand !== '*' && !brandById(catalog, scope.brand)) {
      throw new HushError('invalid', 'there is no such brand', {
        field: `${prefix}brand`,
        remedy: `use one of ${catalog.brands.map(({ id }) => id).join(', ')}`,
      });
    }
    if (scope?.topic !== undefined && scope.topic !== '*' && !topicById(catalog, scope.topic)) {
      throw new HushError('invalid', 'there is no such topic', {
        field: `${prefix}topic`,
        remedy: `use one of ${catalog.topics.map(({ id }) => id).join(', ')}`,
      });
    }
  }

  return {
    pointOf,
    checkScope,

    /** Whom a decision is about. */
    decisionSubject(contact: ContactRequest): DecisionSubject {
      if ('key' in contact) return { key: keyOf(contact.key) };
      const point = pointOf(contact);
      return { key: contactKeyBytes(keyring, point), point };
    },

    /** Whom an event is about. A key that nobody knows is refused: it could be a slip, and the opt-out would be lost. */
    async subject(contact: ContactRequest, typeOf: (key: Buffer) => Promise<Subject | undefined>): Promise<Subject> {
      if (!('key' in contact)) return { point: pointOf(contact) };
      const found = await typeOf(keyOf(contact.key));
      if (!found) throw unknownKey('contact.key');
      return found;
    },

    /** As `subject`, for a contact that stands in another field than `contact`: faults name that one. */
    async subjectIn(
      field: string,
      contact: ContactRequest,
      typeOf: (key: Buffer) => Promise<Subject | undefined>,
    ): Promise<Subject> {
      try {
        return await this.subject(contact, typeOf);
      } catch (error) {
        if (!(error instanceof HushError)) throw error;
        const within = (error.detail.field ?? '').replace(/^contact\.?/, '');
        throw new HushError(error.kind, error.message, { ...error.detail, field: `${field}.${within}` });
      }
    },

    decisionQuery(input: {
      brand: string;
      channel: Channel;
      purpose: Purpose;
      topic?: string | undefined;
      at?: number | undefined;
    }): DecisionQuery {
      checkScope({ brand: input.brand, ...(input.topic === undefined ? {} : { topic: input.topic }) }, '');
      if (input.brand === '*')
        throw new HushError('invalid', 'a question is about one brand', {
          field: 'brand',
          remedy: 'name the brand that would write',
        });
      return {
        brand: input.brand,
        channel: input.channel,
        purpose: input.purpose,
        topic: input.topic ?? '*',
        at: input.at,
      };
    },
  };
}

export type RequestReader = ReturnType<typeof createRequestReader>;

export const iso = (time: number): string => new Date(time).toISOString();

/** A decision as the API gives it. */
export function decisionJson(decision: SubjectDecision): Record<string, unknown> {
  return {
    allowed: decision.allowed,
    reason: decision.reason,
    ...(decision.since === undefined ? {} : { since: iso(decision.since) }),
    ...(decision.scope === undefined ? {} : { scope: decision.scope }),
    ...(decision.event === undefined ? {} : { receipt: `r_${decision.event}` }),
    ...(decision.exceptTopics === undefined ? {} : { exceptTopics: decision.exceptTopics }),
    ...(decision.cadence === undefined ? {} : { cadence: decision.cadence }),
    ...(decision.fallbackChannel === undefined ? {} : { fallbackChannel: decision.fallbackChannel }),
    ...(decision.retryAfter === undefined ? {} : { retryAfter: iso(decision.retryAfter) }),
  };
}
