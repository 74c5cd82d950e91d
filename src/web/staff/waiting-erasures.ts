import { HushError } from '../../core/errors.js';
import { allowedActions } from '../../core/request.js';
import type { Rights } from '../../rights/index.js';
import type { PreviewErasure } from '../../rights/requests/erasure-preview.js';
import type { Approvals, ErasureWanted } from '../../staff/approvals.js';
import type { RequestRecord } from '../../store/requests.js';
import type { WaitingErasures } from './approvals.js';
import { byOf } from './request-words.js';
import type { Visit } from './shell.js';

const provenOf = (record: RequestRecord): string[] =>
  record.contacts.filter(({ verified }) => verified).map(({ key }) => key.toString('hex'));

/** True while a request is a deletion that can be begun. */
export function isErasable({ kind, state }: RequestRecord): boolean {
  return kind === 'deletion' && allowedActions(kind, state).includes('fulfil');
}

/** Asks for an erasure that somebody else has to approve, and returns the approval's id. Throws `conflict` where there is nothing to ask for. */
export async function askForErasure(
  visit: Visit,
  record: RequestRecord,
  approvals: Pick<Approvals, 'requestErasure' | 'waitingErasure'>,
): Promise<string> {
  const first = record.contacts.find(({ verified }) => verified);
  if (!first || !isErasable(record)) {
    throw new HushError('conflict', 'this request cannot be erased now', {
      remedy: 'verify it first; look at it again',
    });
  }
  if (await approvals.waitingErasure(record.id)) {
    throw new HushError('conflict', 'this erasure is waiting for a second person already', { remedy: 'see Approvals' });
  }
  const id = await approvals.requestErasure(visit.user, { request: record.id, contacts: provenOf(record) }, first.key);
  await visit.record({ kind: 'change', what: 'erasure_requested', contact: first.key, about: `${record.id} ${id}` });
  return id;
}

/** Erasures that a second person looks at: what they would do, and doing them. */
export function waitingErasures(parts: {
  readonly rights: Pick<Rights, 'records' | 'fulfilment'>;
  readonly preview: PreviewErasure;
}): WaitingErasures {
  const { rights } = parts;

  /** The request as it was asked about: still to be erased, and of the same proven addresses. Else undefined. */
  async function unchanged(wanted: ErasureWanted): Promise<RequestRecord | undefined> {
    const record = await rights.records.get(wanted.request);
    const proven = provenOf(record);
    const same = proven.length === wanted.contacts.length && proven.every((key) => wanted.contacts.includes(key));
    return same && isErasable(record) ? record : undefined;
  }

  return {
    async preview(wanted) {
      const record = await unchanged(wanted);
      return record && parts.preview(record);
    },
    async erase(wanted, user) {
      const record = await unchanged(wanted);
      if (!record) {
        throw new HushError('conflict', 'the request has changed since this was asked for', {
          remedy: 'look at it again',
        });
      }
      const before = new Set(record.receipts);
      const erased = await rights.fulfilment.erase(record, byOf(user));
      return erased.receipts.filter((receipt) => !before.has(receipt));
    },
  };
}
