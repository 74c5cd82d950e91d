import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import type { RequestKind } from '../core/request.js';
import type { Link } from '../preferences/links.js';
import type { RequestFiles } from '../store/request-files.js';
import type { RequestContact, RequestRecord } from '../store/requests.js';
import type { PostLetters } from './post-letters.js';
import { AGENT, type By, PERSON, type Records, TEXT_LIMIT } from './records.js';

/** What staff may compare with what is held. Codes only: the answers themselves are not written down. */
export const CHECKS = [
  'name_and_address',
  'policy_number',
  'claim_number',
  'shipment',
  'date_of_birth',
  'payment_detail',
  'called_back',
] as const;
export type Check = (typeof CHECKS)[number];

/** 11 CCR 7062: two points of data for most, three where specific pieces of personal information are shown. */
export function checksNeeded(kind: RequestKind): number {
  return kind === 'access' ? 3 : 2;
}

/** How it was shown who asks. An opt-out, an objection and a withdrawal never come here. */
export function createVerification(parts: {
  readonly records: Records;
  readonly post: PostLetters;
  readonly files: RequestFiles;
  readonly clock: Clock;
}) {
  const { records, post, files, clock } = parts;

  /**
   * Proven are the addresses that were shown to be the person's, each for itself. What was only claimed stays claimed, and so
   * does what a marketing system joined to it: a join proves no identity.
   */
  const withProven = (record: RequestRecord, shown: readonly Buffer[]): RequestContact[] =>
    record.contacts.map((contact) => ({
      ...contact,
      verified: contact.verified || shown.some((key) => key.equals(contact.key)),
    }));

  /** The addresses that staff say were proven; of a request with one address that one. */
  function chosenOf(record: RequestRecord, chosen: readonly Buffer[]): readonly Buffer[] {
    const [only, ...more] = record.contacts;
    if (only && more.length === 0) return [only.key];
    const named = chosen.filter((key) => record.contacts.some((contact) => contact.key.equals(key)));
    if (named.length === 0) {
      throw new HushError(
        'invalid',
        'the request names several addresses: say which of them were shown to be the person’s',
        {
          field: 'contacts',
          remedy: 'choose each one that what was checked belongs to; the others stay claimed',
        },
      );
    }
    return named;
  }

  async function verified(
    record: RequestRecord,
    by: By,
    way: 'link' | 'knowledge' | 'agent',
    shown: readonly Buffer[],
    facts: Readonly<Record<string, string>>,
    text?: string,
  ): Promise<RequestRecord> {
    return records.act(
      record,
      'verify',
      by,
      {
        // A further address may be proven later: when and how the request was verified stays.
        ...(record.verifiedAt ? {} : { verifiedAt: new Date(clock.now()), verifiedBy: way }),
        contacts: withProven(record, shown),
      },
      { facts: { way, ...facts }, text },
    );
  }

  return {
    /** Sends the link again. */
    async askAgain(record: RequestRecord, by: By): Promise<RequestRecord> {
      const kind = record.byAgent ? 'agent_confirmation' : 'verification';
      if (!post.reaches(record, kind)) {
        throw new HushError('invalid', 'there is no address to send it to', { remedy: 'verify by what they know' });
      }
      const asked = await records.act(record, 'ask_verification', by, {}, { facts: { way: 'link' } }, [{ kind }]);
      return post.flushQuietly(asked, by);
    },

    /**
     * Somebody who reads the mail of the address pressed the button. Verifies the request, or, of an agent's, says that the
     * person wants it. Pressed again, it changes nothing. Undefined for a link that is not of this request.
     */
    async byLink(link: Link): Promise<RequestRecord | undefined> {
      const record = await records.get(link.reference).catch((error: unknown) => {
        if (error instanceof HushError && error.kind === 'not_found') return undefined;
        throw error;
      });
      if (link.kind !== 'verify' || !record) return undefined;
      if (!record.contacts.some(({ key }) => key.equals(link.key))) return undefined;
      if (record.state !== 'received' && record.state !== 'verifying') return record;
      if (!record.byAgent) return verified(record, PERSON, 'link', [link.key], {});
      const confirmed =
        record.confirmedAt === undefined
          ? await records.change(
              record,
              PERSON,
              { confirmedAt: new Date(clock.now()), contacts: withProven(record, [link.key]) },
              { what: 'confirmed' },
            )
          : record;
      return confirmed.authority === undefined
        ? confirmed
        : verified(confirmed, PERSON, 'agent', [link.key], { authority: confirmed.authority });
    },

    /** Staff compared what the person said with what is held. What was checked is written down, not the answers. */
    async byKnowledge(
      record: RequestRecord,
      by: By,
      given: { readonly checks: readonly Check[]; readonly note: string; readonly contacts?: readonly Buffer[] },
    ): Promise<RequestRecord> {
      const checks = [...new Set(given.checks)];
      const needed = checksNeeded(record.kind);
      if (checks.length < needed) {
        throw new HushError('invalid', `this kind of request needs ${needed} things that fit what we hold`, {
          field: 'checks',
          remedy: 'ask for more, or send a link; if they cannot show who they are, refuse and say how to try again',
        });
      }
      if (record.byAgent) {
        throw new HushError('invalid', 'an agent shows an authority, and the person says yes', {
          remedy: 'record the document and the person’s confirmation',
        });
      }
      const shown = chosenOf(record, given.contacts ?? []);
      return verified(record, by, 'knowledge', shown, { checks: checks.join(' ') }, given.note.slice(0, TEXT_LIMIT));
    },

    /** Staff looked at the agent's document. With the person's own word, the request is verified. */
    async authority(
      record: RequestRecord,
      by: By,
      file: string,
      contacts: readonly Buffer[] = [],
    ): Promise<RequestRecord> {
      if (!record.byAgent) throw new HushError('invalid', 'no agent asks here', { remedy: 'verify the person' });
      if (!(await files.get(record.id, file))) {
        throw new HushError('invalid', 'the document is not with this request', {
          field: 'file',
          remedy: 'attach it first',
        });
      }
      const shown = await records.change(record, by, { authority: file }, { what: 'authority', facts: { file } });
      if (shown.confirmedAt === undefined) return shown;
      // Which addresses are hers she has said herself, by link or on the phone; before that was kept, staff say it.
      const proven = shown.contacts.some((contact) => contact.verified) ? [] : chosenOf(shown, contacts);
      return verified(shown, by, 'agent', proven, { authority: file });
    },

    /** Staff called the person on a number we held before, and she said yes. */
    async confirmedByPhone(
      record: RequestRecord,
      by: By,
      note: string,
      contacts: readonly Buffer[] = [],
    ): Promise<RequestRecord> {
      if (!record.byAgent) throw new HushError('invalid', 'no agent asks here', { remedy: 'verify the person' });
      const confirmed = await records.change(
        record,
        by,
        { confirmedAt: new Date(clock.now()), contacts: withProven(record, chosenOf(record, contacts)) },
        { what: 'confirmed', facts: { way: 'called_back' }, text: note },
      );
      if (confirmed.authority === undefined) return confirmed;
      return verified(confirmed, by, 'agent', [], { authority: confirmed.authority });
    },

    byAgent: AGENT,
    byOf: (record: RequestRecord): By => (record.byAgent ? AGENT : PERSON),
  };
}

export type Verification = ReturnType<typeof createVerification>;
