import type { RequestFiles } from '../../store/request-files.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { RequestRow } from '../access/gather.js';
import type { QueriedContact } from '../access/systems.js';
import type { RequestSeal } from './personal.js';

const MAX_REQUESTS = 1000;
const iso = (at: Date): string => at.toISOString();

/** What requests themselves hold of a person, for the answer to an access request. */
export function createRequestContents(parts: {
  readonly store: Pick<RequestStore, 'get' | 'ofContacts'>;
  readonly files: Pick<RequestFiles, 'ofRequest'>;
  readonly seal: RequestSeal;
}) {
  const { store, files, seal } = parts;

  /** Who wrote or sent something, as the person reads it. Staff have no names here. */
  const fromOf = (by: string): 'you' | 'agent' | 'us' =>
    by.startsWith('person') ? 'you' : by.startsWith('agent') ? 'agent' : 'us';

  async function contentsOf(record: RequestRecord): Promise<Record<string, unknown>> {
    const { name, description, postal, agent, publicKey } = seal.personal(record) ?? {};
    const stored = await files.ofRequest(record.id);
    return {
      name,
      words: description,
      postal,
      agent: agent?.name,
      publicKey,
      written: record.history.flatMap(({ what, at, by, text }) => {
        const words = seal.text(record, text);
        return words === undefined || words === '' ? [] : [{ at: iso(at), what, from: fromOf(by), words }];
      }),
      files: stored.map(({ at, by, type, size, name: sealed }) => ({
        at: iso(at),
        from: fromOf(by),
        type,
        size,
        name: seal.text(record, sealed),
      })),
    };
  }

  return {
    /**
     * Requests of these contacts. What was written with one goes along only where it is theirs alone or was proven by one of
     * them: somebody else may have named their number beside an address of his own.
     */
    async ofContacts(keys: readonly Buffer[]): Promise<RequestRow[]> {
      const isOwn = (key: Buffer) => keys.some((own) => own.equals(key));
      const isTheirs = ({ contacts }: RequestRecord) =>
        contacts.every(({ key }) => isOwn(key)) || contacts.some(({ key, verified }) => verified && isOwn(key));
      return Promise.all(
        (await store.ofContacts(keys, MAX_REQUESTS)).map(async (record) => ({
          id: record.id,
          kind: record.kind,
          state: record.state,
          way: record.way,
          jurisdiction: record.jurisdiction,
          receivedAt: record.receivedAt.getTime(),
          ...(record.closedAt ? { closedAt: record.closedAt.getTime() } : {}),
          ...(isTheirs(record) ? { contents: await contentsOf(record) } : {}),
        })),
      );
    },

    /** Proven addresses of a request as the person gave them, by key (hex): the ledger need not know them. */
    async provenAddresses(id: string): Promise<Map<string, QueriedContact>> {
      const record = await store.get(id);
      const addresses = record ? (seal.personal(record)?.addresses ?? []) : [];
      return new Map(
        (record?.contacts ?? []).flatMap(({ key, verified }, at) => {
          const address = addresses[at];
          return verified && address
            ? [[key.toString('hex'), { type: address.type, address: address.given }] as const]
            : [];
        }),
      );
    },
  };
}

export type RequestContents = ReturnType<typeof createRequestContents>;
