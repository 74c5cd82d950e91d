import { createPublicKey, type KeyObject } from 'node:crypto';
import { CompactSign, compactVerify, createLocalJWKSet, exportJWK, type JSONWebKeySet, type JWK } from 'jose';
import { canonicalJson } from '../core/canonical-json.js';
import type { Catalog } from '../core/catalog.js';
import { recordedAt } from '../core/clock.js';
import { contactKeyText, deriveKey, type Keyring } from '../core/keys.js';
import { privateKeyFromSeed } from '../core/note.js';
import { MARKETING_PURPOSES, type Purpose, wholeScope } from '../core/scope.js';
import type { StoredEvent } from '../store/contacts.js';

/** How an event is said in ISO/IEC TS 27560 (6.3.6, event state), in the words of W3C's Data Privacy Vocabulary. */
const STATES: Readonly<Record<string, string>> = {
  consent_granted: 'consent_given',
  opted_in: 'consent_given',
  consent_withdrawn: 'consent_withdrawn',
  opted_out: 'consent_withdrawn',
  objected: 'consent_withdrawn',
  complained: 'consent_withdrawn',
  gpc_received: 'consent_refused',
};

const TYPE = 'consent-receipt+jws';

/**
 * A consent receipt: what was agreed to or taken back, in the information structure of ISO/IEC TS 27560:2023 (receipt
 * metadata; consent record with its header, processing, parties and events), in the field names of its Annex A.
 */
export interface ConsentReceipt {
  readonly receipt_metadata: {
    readonly schema_version: string;
    readonly receipt_id: string;
    readonly receipt_time: string;
  };
  readonly consent_record: {
    readonly schema_version: string;
    readonly record_id: string;
    readonly pii_principal_id: string;
    readonly pii_processing: {
      readonly privacy_notice: string;
      readonly notice_id?: string;
      readonly notice_version?: string;
      readonly notice_text?: string;
      readonly language: string;
      readonly purposes: readonly {
        readonly purpose: string;
        readonly purpose_type: string;
        readonly lawful_basis: 'consent';
      }[];
      readonly pii_information: readonly { readonly pii_type: string; readonly pii_optional: boolean }[];
      readonly pii_controllers: readonly string[];
      readonly collection_method: string;
      readonly processing_method: string;
      readonly withdrawal_method: string;
      readonly services: readonly string[];
      readonly jurisdictions: readonly string[];
    };
    readonly party_identification: readonly {
      readonly party_id: string;
      readonly party_name: string;
      readonly party_role: string;
      readonly party_address: string;
      readonly party_contact: string;
    }[];
    readonly consent_events: readonly {
      readonly event_time: string;
      readonly validity_duration?: string;
      readonly entity_id: string;
      readonly event_type: 'explicit' | 'unspecified';
      readonly event_state: string;
    }[];
  };
  /** Where the event's proof is, beside the terms of the standard. */
  readonly transparency_log: { readonly origin: string; readonly event_id: string };
}

interface ConsentReceiptsParts {
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly origin: string;
  readonly publicUrl: string;
}

interface ConsentReceiptsContext extends ConsentReceiptsParts {
  readonly keys: ReadonlyMap<number, KeyObject>;
}

async function jwks(context: ConsentReceiptsContext): Promise<JSONWebKeySet> {
  const list = await Promise.all(
    [...context.keys].map(
      async ([kid, key]): Promise<JWK> => ({
        ...(await exportJWK(createPublicKey(key))),
        kid: `receipt-${kid}`,
        alg: 'EdDSA',
        use: 'sig',
      }),
    ),
  );
  return { keys: list };
}

function purposesOf(event: StoredEvent): readonly Purpose[] {
  const { purpose } = wholeScope(event.scope);
  return purpose === '*' || purpose === 'marketing' ? MARKETING_PURPOSES : [purpose];
}

/** The notice in the words that were shown: several languages have one id and version. */
function noticeOf(context: ConsentReceiptsContext, event: StoredEvent, shown: string | undefined, language: string) {
  const versions = context.catalog.notices.filter(
    ({ id, version }) => id === event.notice?.id && version === event.notice.version,
  );
  return (
    versions.find(({ text }) => shown !== undefined && shown !== '' && text.startsWith(shown)) ??
    versions.find((notice) => notice.language === language) ??
    versions[0]
  );
}

function receiptOf(
  context: ConsentReceiptsContext,
  key: Buffer,
  pii: string,
  event: StoredEvent,
  wanted: string,
  shown?: string,
): ConsentReceipt | undefined {
  const { catalog, publicUrl, origin } = context;
  const state = STATES[event.type];
  if (state === undefined) return undefined;
  const scope = wholeScope(event.scope);
  const brands = catalog.brands.filter(({ id }) => scope.brand === '*' || scope.brand === id);
  const notice = noticeOf(context, event, shown, wanted);
  const language = notice?.language ?? wanted;
  const schema_version = 'ISO/IEC TS 27560:2023';
  return {
    receipt_metadata: {
      schema_version,
      receipt_id: `r_${event.id}`,
      receipt_time: new Date(recordedAt(event.recorded)).toISOString(),
    },
    consent_record: {
      schema_version,
      record_id: `e_${event.id}`,
      pii_principal_id: contactKeyText(key),
      pii_processing: {
        privacy_notice: catalog.group.policyUrl,
        ...(event.notice ? { notice_id: event.notice.id, notice_version: event.notice.version } : {}),
        ...(notice ? { notice_text: notice.text } : shown === undefined ? {} : { notice_text: shown }),
        language,
        purposes: purposesOf(event).map((purpose) => ({
          purpose: catalog.purposes[purpose].sentence[language] ?? catalog.purposes[purpose].sentence.en,
          purpose_type: purpose,
          lawful_basis: 'consent',
        })),
        pii_information: [{ pii_type: pii, pii_optional: false }],
        pii_controllers: [...new Set(brands.map(({ legalName }) => legalName))],
        collection_method: event.source.kind,
        processing_method:
          scope.channel === '*'
            ? 'marketing messages and advertising on every channel'
            : `marketing through ${scope.channel}`,
        withdrawal_method: `${publicUrl.replace(/\/+$/, '')}/preferences`,
        services: brands.map(({ name }) => name),
        jurisdictions: event.jurisdiction ? [event.jurisdiction] : [],
      },
      party_identification: brands.map((brand) => ({
        party_id: brand.id,
        party_name: brand.legalName,
        party_role: 'pii_controller',
        party_address: brand.postal,
        party_contact: `${catalog.group.privacyAddress}, ${brand.phone}`,
      })),
      consent_events: [
        {
          event_time: new Date(event.at).toISOString(),
          ...(event.until === undefined
            ? {}
            : { validity_duration: `${new Date(event.at).toISOString()}/${new Date(event.until).toISOString()}` }),
          entity_id: contactKeyText(key),
          event_type: event.type === 'consent_granted' ? 'explicit' : 'unspecified',
          event_state: state,
        },
      ],
    },
    transparency_log: { origin, event_id: event.id },
  };
}

/** The receipt as a JWS in compact form (RFC 7515), EdDSA, to be verified with `/log/jwks.json`. */
async function sign(context: ConsentReceiptsContext, receipt: ConsentReceipt): Promise<string> {
  const { keys, keyring } = context;
  const key = keys.get(keyring.current);
  if (!key) throw new Error(`the keyring lacks its current key ${keyring.current}`);
  return new CompactSign(Buffer.from(canonicalJson(receipt)))
    .setProtectedHeader({ alg: 'EdDSA', kid: `receipt-${keyring.current}`, typ: TYPE })
    .sign(key);
}

/** The content of a receipt we signed, with any key we have had; undefined for any other text. */
async function open(context: ConsentReceiptsContext, jws: string): Promise<unknown> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet(await jwks(context)), {
      algorithms: ['EdDSA'],
    });
    return protectedHeader.typ === TYPE ? JSON.parse(Buffer.from(payload).toString('utf8')) : undefined;
  } catch {
    return undefined;
  }
}

/** Signs receipts with keys of their own: a receipt's key is no checkpoint's key. */
export function createConsentReceipts(parts: ConsentReceiptsParts) {
  const keys = new Map(
    [...parts.keyring.roots].map(
      ([kid, root]) => [kid, privateKeyFromSeed(deriveKey(root, 'receipt-signing'))] as const,
    ),
  );
  const context: ConsentReceiptsContext = { ...parts, keys };
  return {
    jwks: () => jwks(context),
    receiptOf: (key: Buffer, pii: string, event: StoredEvent, wanted: string, shown?: string) =>
      receiptOf(context, key, pii, event, wanted, shown),
    sign: (receipt: ConsentReceipt) => sign(context, receipt),
    open: (jws: string) => open(context, jws),
  };
}

export type ConsentReceipts = ReturnType<typeof createConsentReceipts>;
