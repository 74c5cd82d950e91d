import { FEED_START, type FeedPosition } from '../../src/store/changes.js';
import { HEX, KEYS, POINTS } from './installation.js';
import type { Parts } from './process.js';
import { Broken } from './promises.js';

const PAGE = 100;

/**
 * A system that keeps what it knows of contacts true by the change feed alone: it asks about a contact when the feed names it, and
 * never otherwise.
 */
export function createFeedReader() {
  const known = new Map<string, string>();
  let position: FeedPosition | undefined = FEED_START;

  async function stateOf({ decisions }: Parts, hex: string): Promise<string> {
    const index = HEX.indexOf(hex);
    const [key, point] = [KEYS[index], POINTS[index]];
    if (!key || !point) throw new Broken(`the feed names ${hex}, which nobody wrote about`);
    return JSON.stringify((await decisions.present({ key, point })).state.atoms);
  }

  /** Reads what is new, and asks about whom it names. */
  async function poll(web: Parts): Promise<void> {
    for (;;) {
      const { changes, head, state } = await web.stores.changes.after(position, PAGE);
      if (state !== 'known') {
        // As of an older backup, or of a primary that was lost: read it all again.
        if (position === undefined) return;
        position = undefined;
        continue;
      }
      for (const hex of new Set(changes.map(({ contact }) => contact.toString('hex'))))
        known.set(hex, await stateOf(web, hex));
      const last = changes.at(-1);
      position = last ? { number: last.number, epoch: last.epoch } : (position ?? head);
      if (changes.length < PAGE) return;
    }
  }

  return {
    poll,

    /**
     * Once nothing is under way: it has heard of everything that changed an answer about a contact that something was said
     * for. Of a spelling that nobody ever wrote, the feed cannot speak.
     */
    async compare(web: Parts): Promise<void> {
      await poll(web);
      const found = await web.stores.contacts.find([...KEYS], { state: 1, entries: 1 });
      for (const [index, hex] of HEX.entries()) {
        if ((found.get(hex)?.entries ?? 0) === 0) continue;
        const now = await stateOf(web, hex);
        const then = known.get(hex) ?? '[]';
        if (now !== then)
          throw new Broken(`the feed did not say what changed about ${POINTS[index]?.given}: ${then} is now ${now}`);
      }
    },
  };
}
