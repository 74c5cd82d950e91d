import { z } from 'zod';
import { readYamlFile } from '../../config/yaml-file.js';
import type { Words } from '../../core/catalog.js';
import { tokensOf } from './tokens.js';

const phrases = z.array(z.coerce.string().min(1));
const language = z.strictObject({
  stop: phrases.min(1),
  stopAnywhere: phrases.default([]),
  stopFirst: phrases.default([]),
  stopNotBefore: phrases.default([]),
  not: phrases.default([]),
  start: phrases.min(1),
  help: phrases.min(1),
  filler: phrases.default([]),
});
const reply = z.object({ en: z.string().min(1) }).catchall(z.string().min(1));

const schema = z
  .strictObject({
    reactions: z.strictObject({ whole: phrases, anywhere: phrases }),
    languages: z.record(z.string().regex(/^[a-z]{2}$/, 'write a language code such as es'), language),
    replies: z.strictObject({ stop: reply, help: reply, start: reply }),
  })
  .superRefine(({ languages, replies }, context) => {
    for (const [name, words] of Object.entries(replies)) {
      for (const [code, text] of Object.entries(words)) {
        const unknown = [...text.matchAll(/\{(\w+)\}/g)].find(([, field]) => !PLACES.has(field ?? ''));
        const fault = (message: string) => context.addIssue({ code: 'custom', path: ['replies', name, code], message });
        if (unknown) fault(`${unknown[0]} means nothing here; write {brand}, {group} or {phone}`);
        // CTIA Messaging Principles §5.1: every answer says who speaks; and HELP how to reach them.
        if (!text.includes('{brand}')) fault('say who speaks: write {brand}');
        if (!text.includes('{phone}')) fault('say whom to call: write {phone}');
      }
      if (!('en' in languages)) {
        context.addIssue({ code: 'custom', path: ['languages'], message: 'English (en) is needed' });
      }
    }
  });

const PLACES: ReadonlySet<string> = new Set(['brand', 'group', 'phone']);

/** A phrase as the tokens it is compared by. */
export type Phrase = readonly string[];

export interface LanguageWords {
  readonly code: string;
  readonly stop: readonly Phrase[];
  readonly stopAnywhere: readonly Phrase[];
  readonly stopFirst: readonly Phrase[];
  readonly stopNotBefore: ReadonlySet<string>;
  readonly not: readonly Phrase[];
  readonly start: readonly Phrase[];
  readonly help: readonly Phrase[];
  readonly filler: ReadonlySet<string>;
}

/** `config/text-words.yaml`, ready to compare with. */
export interface TextWords {
  /** What a phone writes around our message when somebody reacts to it: all of its words, or words that stand among them. */
  readonly reactions: { readonly whole: readonly Phrase[]; readonly anywhere: readonly Phrase[] };
  readonly languages: readonly LanguageWords[];
  readonly replies: { readonly stop: Words; readonly help: Words; readonly start: Words };
}

/** Reads the words. Throws ConfigError with file, line and remedy. */
export function readTextWords(file: string): TextWords {
  const { languages, replies, reactions } = readYamlFile(file, schema);
  // Longest first, so that "no mas mensajes" is found before "no mas".
  const compile = (list: readonly string[]): Phrase[] =>
    list.map((text) => tokensOf(text)).sort((a, b) => b.length - a.length);
  return {
    replies,
    reactions: { whole: compile(reactions.whole), anywhere: compile(reactions.anywhere) },
    languages: Object.entries(languages).map(([code, words]) => ({
      code,
      stop: compile(words.stop),
      stopAnywhere: compile(words.stopAnywhere),
      stopFirst: compile(words.stopFirst),
      stopNotBefore: new Set(words.stopNotBefore.flatMap((text) => tokensOf(text))),
      not: compile(words.not),
      start: compile(words.start),
      help: compile(words.help),
      filler: new Set(words.filler.flatMap((text) => tokensOf(text))),
    })),
  };
}
