import { z } from 'zod';
import { type Clock, recordedAt } from '../../core/clock.js';
import { DENIAL_TYPES } from '../../core/event.js';
import type { State } from '../../core/fold.js';
import type { Keyring } from '../../core/keys.js';
import { CHANNELS, PURPOSES } from '../../core/scope.js';
import { createCipher } from '../../core/seal.js';

/** What an act came to can be shown for so long (ms). */
const SHOWN_FOR = 30 * 60_000;

/** Without words of any language: the page that shows it may be opened in another one. */
const resultSchema = z.object({
  /** Sentences by their key in `locales/pages.*.yaml`; dates in ms. */
  lines: z.array(z.object({ key: z.string(), date: z.number().optional(), address: z.string().optional() })),
  receipts: z.array(z.string()).default([]),
  /** Denials that go on standing. */
  standing: z
    .array(
      z.object({
        type: z.enum(DENIAL_TYPES),
        scope: z.object({
          brand: z.string(),
          channel: z.enum([...CHANNELS, '*']),
          purpose: z.enum([...PURPOSES, 'marketing', '*']),
          topic: z.string(),
        }),
        at: z.number(),
        until: z.number().optional(),
      }),
    )
    .default([]),
  /** Names of switches that the link could not turn on. */
  refused: z.array(z.string()).default([]),
  /** So many of the receipts, from the first on, are of events that the person may take back here. */
  undo: z.number().default(0),
  /** The rights request that was made. */
  request: z.string().optional(),
  good: z.boolean().default(true),
  /** Of a stop: why may be asked, once. */
  stopped: z.object({ channel: z.enum([...CHANNELS, '*']), answered: z.boolean().default(false) }).optional(),
});

/**
 * True when the contact's choices changed after an act: Back, reload and another window still show its page, and what it says
 * may not be so any more. A signal comes by itself with the page that is opened.
 */
export function changedSince({ at, receipts }: OpenedResult, { atoms }: State): boolean {
  return atoms.some(
    (atom) =>
      (atom.t === 'denial' || atom.t === 'grant' || atom.t === 'cadence') &&
      !(atom.t === 'denial' && atom.type === 'gpc_received' && atom.destination === undefined) &&
      recordedAt(atom.recorded) > at &&
      !receipts.includes(atom.id),
  );
}

/** What an act came to, as the page says it. */
export type Result = z.input<typeof resultSchema>;
export type OpenedResult = z.output<typeof resultSchema> & {
  /** As it was sealed. */
  readonly sealed: string;
  /** When (ms). */
  readonly at: number;
};

/**
 * A POST of a page answers 303 to a URL that shows what came of it, so that Back and reload repeat the words and never the
 * act. The words travel sealed in that URL, for the holder of the same link and for half an hour: nothing is kept, no cookie
 * is needed, and nobody can make a page of ours say what did not happen.
 */
export function createResults(parts: {
  readonly keyring: Keyring;
  readonly clock: Clock;
  /** Whether there is a sentence under a key. */
  readonly hasWord: (key: string) => boolean;
}) {
  const { clock } = parts;
  const cipher = createCipher(parts.keyring, 'page-result');

  return {
    /** @param about the token of the link, or the path of a page that has none: it opens there and nowhere else */
    seal(about: string, result: Result): string {
      const text = JSON.stringify({ ...result, until: clock.now() + SHOWN_FOR });
      return cipher.seal(Buffer.from(text), Buffer.from(about)).toString('base64url');
    },

    /** Undefined for one that is forged, of another link, or over. Never throws. */
    open(about: string, text: unknown): OpenedResult | undefined {
      if (typeof text !== 'string' || text.length > 12_000) return undefined;
      try {
        const plain = cipher.open(Buffer.from(text, 'base64url'), Buffer.from(about));
        const { until, ...result }: { until?: unknown } = plain ? JSON.parse(plain.toString()) : {};
        if (typeof until !== 'number' || until <= clock.now()) return undefined;
        const parsed = resultSchema.parse(result);
        // While a new version is rolled out, its results reach processes of the old one, which lack its new sentences.
        const lines = parsed.lines.filter(({ key }) => parts.hasWord(key));
        return { ...parsed, lines, sealed: text, at: until - SHOWN_FOR };
      } catch {
        return undefined;
      }
    },
  };
}

export type Results = ReturnType<typeof createResults>;
