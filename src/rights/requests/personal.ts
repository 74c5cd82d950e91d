import type { ContactType } from '../../core/contact-point.js';
import type { Keyring } from '../../core/keys.js';
import { createCipher, openWith, sealWith } from '../../core/seal.js';
import type { RequestRecord } from '../../store/requests.js';

/**
 * What of a request names or tells of the person. docs/rights.md, "A new field of a request", lists where else a new field
 * has to go.
 */
export interface Personal {
  /** As given, in the order of the record's contacts; absent for one that staff chose by its key. */
  readonly addresses: readonly ({ readonly type: ContactType; readonly given: string } | null)[];
  readonly name?: string;
  /** In the person's words. */
  readonly description?: string;
  /** Lines to write to by post. */
  readonly postal?: string;
  readonly agent?: { readonly name: string; readonly email?: string };
  /** OpenPGP, armored. */
  readonly publicKey?: string;
}

const DATA_KEY = 32;

/**
 * Seals what is personal in a request under a key of its own, as the private parts of events are under their contact's: the
 * key's destruction is the end of it, wherever copies lie.
 */
export function createRequestSeal(keyring: Keyring) {
  const wrap = createCipher(keyring, 'request-key');
  const context = (id: string, use: string) => Buffer.from(`${id}/${use}`, 'utf8');

  function keyOf(record: Pick<RequestRecord, 'id' | 'dataKey'>): Buffer | undefined {
    return record.dataKey && wrap.open(record.dataKey, context(record.id, 'key'));
  }

  return {
    newKey(id: string): { key: Buffer; wrapped: Buffer } {
      const key = keyring.randomBytes(DATA_KEY);
      return { key, wrapped: wrap.seal(key, context(id, 'key')) };
    },
    keyOf,
    sealPersonal: (id: string, key: Buffer, personal: Personal): Buffer =>
      sealWith(keyring, key, Buffer.from(JSON.stringify(personal)), context(id, 'personal')),
    /** Undefined once it is forgotten. */
    personal(record: RequestRecord): Personal | undefined {
      const key = keyOf(record);
      const plain = key && record.personal && openWith(key, record.personal, context(record.id, 'personal'));
      return plain && (JSON.parse(plain.toString('utf8')) as Personal);
    },
    sealText: (id: string, key: Buffer, text: string): Buffer =>
      sealWith(keyring, key, Buffer.from(text, 'utf8'), context(id, 'text')),
    text(record: Pick<RequestRecord, 'id' | 'dataKey'>, sealed: Buffer | undefined): string | undefined {
      const key = sealed && keyOf(record);
      return key && openWith(key, sealed, context(record.id, 'text'))?.toString('utf8');
    },
    sealFile: (id: string, key: Buffer, bytes: Uint8Array): Buffer =>
      sealWith(keyring, key, bytes, context(id, 'file')),
    file(record: Pick<RequestRecord, 'id' | 'dataKey'>, sealed: Buffer): Buffer | undefined {
      const key = keyOf(record);
      return key && openWith(key, sealed, context(record.id, 'file'));
    },
  };
}

export type RequestSeal = ReturnType<typeof createRequestSeal>;
