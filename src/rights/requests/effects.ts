import { createHash } from 'node:crypto';
import type { Catalog } from '../../core/catalog.js';
import type { ContactType } from '../../core/contact-point.js';
import type { EventType, SourceKind } from '../../core/event.js';
import { type RequestKind, type RequestWay, takesEffectAtOnce } from '../../core/request.js';
import { ALL_MARKETING, EVERYTHING, type Scope } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import { acceptEach } from '../../preferences/accept-each.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import { type Undo, undoDraft, undoStep } from '../../preferences/undo.js';
import { unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import type { RequestRecord } from '../../store/requests.js';
import { pointFrom } from '../letters/post-letters.js';
import type { RequestSeal } from './personal.js';
import type { By } from './records.js';

const SOURCES: Readonly<Record<RequestWay, SourceKind>> = {
  form: 'form',
  mail: 'mailto',
  phone: 'phone',
  post: 'staff',
  api: 'api',
};

/** Names a request as the source of its events, so that lifting what it denied touches nothing else. */
export const tagOf = (id: string): string => `request-${id.slice(2)}`;

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 12);

const PROFILING: Scope = { ...EVERYTHING, purpose: 'profiling' };

/** What a request denies the moment it is received. */
export function denialOf(kind: RequestKind): { readonly type: EventType; readonly scope: Scope } | undefined {
  switch (kind) {
    case 'opt_out':
      return { type: 'opted_out', scope: ALL_MARKETING };
    case 'objection':
      return { type: 'objected', scope: ALL_MARKETING };
    case 'consent_withdrawal':
      return { type: 'consent_withdrawn', scope: ALL_MARKETING };
    case 'automated_decision_review':
      // Nobody is profiled while they have it reviewed; the denial is lifted by the outcome, if by anything.
      return { type: 'objected', scope: PROFILING };
    default:
      return undefined;
  }
}

export const deniesOnReceipt = (kind: RequestKind): boolean => denialOf(kind) !== undefined;
export const isDoneOnReceipt = takesEffectAtOnce;

/** What requests do to the ledger. Every event names its request; the same step again makes no second event. */
export function createEffects(parts: {
  readonly accept: Accept;
  readonly contacts: Contacts;
  readonly seal: RequestSeal;
  readonly catalog: Catalog;
  readonly undo: Undo;
}) {
  const { accept, contacts, seal, catalog, undo } = parts;

  /** The contacts of a request, with their addresses where they were given. */
  function subjectsOf(record: RequestRecord): { key: Buffer; type: ContactType; subject: Subject }[] {
    const addresses = seal.personal(record)?.addresses ?? [];
    return record.contacts.map(({ key, type }, at) => {
      const point = pointFrom(catalog, addresses[at] ?? null);
      return { key, type, subject: point ? { point } : { key, type } };
    });
  }

  function draftOf(
    record: RequestRecord,
    subject: Subject,
    by: By,
    step: string,
    event: Pick<Draft, 'type'> & Partial<Draft>,
  ): Draft {
    return {
      subject,
      source: { kind: SOURCES[record.way], destination: tagOf(record.id) },
      actor: `${by.id}${by.name ? ` (${by.name})` : ''}`.slice(0, 120),
      // The same step of the same content is one event; another content, after a fault, is another.
      writer: { name: 'request', id: `${record.id}:${step}:${digestOf([by.id, event])}` },
      ...event,
      evidence: { request: record.id, way: record.way, ...event.evidence },
    };
  }

  async function found(keys: readonly Buffer[]) {
    try {
      return await contacts.find(keys);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** For every contact of the request; for all of the person's where one is known. */
  async function forAll(record: RequestRecord, by: By, step: string, event: Pick<Draft, 'type'> & Partial<Draft>) {
    const subjects = subjectsOf(record);
    const stored = await found(subjects.map(({ key }) => key));
    const drafts = subjects.map(({ key, subject }) =>
      draftOf(record, subject, by, `${step}:${key.toString('hex')}`, {
        ...event,
        ...(stored.get(key.toString('hex'))?.person === undefined ? {} : { reach: 'person' as const }),
      }),
    );
    return (await acceptEach(accept, drafts)).map(({ id }) => id);
  }

  return {
    subjectsOf,
    draftOf,
    acceptEach: (drafts: readonly Draft[]) => acceptEach(accept, drafts),
    forAll,

    /** What it denies the moment it is received. Durable when it resolves; the ids of the events. */
    async onReceipt(record: RequestRecord, by: By): Promise<readonly string[]> {
      const denial = denialOf(record.kind);
      return denial ? forAll(record, by, 'receipt', denial) : [];
    },

    restrict: (record: RequestRecord, by: By) => forAll(record, by, 'restrict', { type: 'restricted' }),

    /**
     * Lifts what the request itself denied, and nothing else; nothing where the person has said no since. A consent that it
     * ended is given back.
     */
    async liftOwnDenial(record: RequestRecord, by: By, why: string): Promise<readonly string[]> {
      const { steps } = await undo.plan(
        record.contacts.map(({ key }) => key),
        { through: tagOf(record.id) },
      );
      const drafts = steps.map((undone) => {
        const { subject, ...draft } = undoDraft(undone);
        return draftOf(record, subject, by, `lift:${undoStep(undone)}`, {
          ...draft,
          evidence: { ...draft.evidence, why: why.slice(0, 200) },
        });
      });
      return (await acceptEach(accept, drafts)).map(({ id }) => id);
    },
  };
}

export type Effects = ReturnType<typeof createEffects>;
