import { z } from 'zod';
import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import { createCipher, MissingKeyError } from '../core/seal.js';
import type { StaffDrafts } from '../store/staff-drafts.js';

/** How long (ms) what was typed is kept: long enough to sign in again and ask a colleague, no longer. */
const DRAFT_TTL_MS = 3_600_000;
/** A form may be sent so long (ms) after it was shown: a shift of twelve hours, twice. */
const TICKET_MS = DAY_MS;
/** Characters of one draft. The largest form has three fields of 4,000. */
const MAX_LENGTH = 60_000;
/** Drafts of one user at a time: whoever holds an old page cannot fill the store with it. */
const MAX_DRAFTS = 200;

const draftSchema = z.object({
  /** Path that the form is sent to. */
  action: z.string(),
  fields: z.record(z.string(), z.array(z.string())),
  /** Said above the form. */
  fault: z.string().optional(),
  /** Of the page that shows it: of an act that was not done. */
  status: z.number().optional(),
  /** True for what was only looked for: the page shows what was found, and no form is filled. */
  lookup: z.boolean().optional(),
});
export type Draft = z.infer<typeof draftSchema>;

/**
 * What staff typed, so that no error and no end of a session loses it, and so that a POST can answer 303 to a page that
 * shows what was found without an address in its URL. Sealed, readable by the same user only, and gone within the hour.
 */
export function createDrafts(parts: { readonly store: StaffDrafts; readonly keyring: Keyring; readonly clock: Clock }) {
  const { store, clock } = parts;
  const drafts = createCipher(parts.keyring, 'staff-draft');
  const tickets = createCipher(parts.keyring, 'staff-form');
  const TICKET = Buffer.from('staff-form');
  const contextOf = (user: string, id: string) => Buffer.from(`${user}:${id}`, 'utf8');

  return {
    /** Keeps a draft and returns its id; undefined when it is too long, or the user has too many. */
    async keep(user: string, draft: Draft): Promise<string | undefined> {
      const text = JSON.stringify(draft);
      if (text.length > MAX_LENGTH || (await store.count(user)) >= MAX_DRAFTS) return undefined;
      const id = encodeBase32(parts.keyring.randomBytes(15)).toLowerCase();
      const sealed = drafts.seal(Buffer.from(text), contextOf(user, id));
      await store.keep({ id, user, sealed, until: new Date(clock.now() + DRAFT_TTL_MS) });
      return id;
    },

    /** Undefined for one of somebody else, one that is over, and one that was never kept. */
    async get(user: string, id: string): Promise<Draft | undefined> {
      if (!/^[0-9a-z]{24}$/.test(id)) return undefined;
      const sealed = await store.get(user, id, new Date(clock.now()));
      const plain = sealed && drafts.open(sealed, contextOf(user, id));
      return plain && draftSchema.parse(JSON.parse(plain.toString('utf8')));
    },

    /** Says, without a session, whose page a form was on. It goes with each form. */
    ticketFor: (user: string): string =>
      tickets.seal(Buffer.from(`${clock.now()}:${user}`, 'utf8'), TICKET).toString('base64url'),

    /** The user whose page had the form; undefined for what we did not make, or made too long ago. Never throws. */
    userOf(ticket: string): string | undefined {
      try {
        const plain = tickets.open(Buffer.from(ticket, 'base64url'), TICKET)?.toString('utf8');
        const [, at = '', user] = /^(\d+):(.*)$/s.exec(plain ?? '') ?? [];
        return user !== undefined && clock.now() - Number(at) <= TICKET_MS ? user : undefined;
      } catch (error) {
        if (error instanceof MissingKeyError) return undefined;
        throw error;
      }
    },
  };
}

export type Drafts = ReturnType<typeof createDrafts>;
