import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { typesetAll, type WordTree } from '../core/typography.js';

/** By file and text: a process may hold several installations, and all have the same words. */
const parsed = new Map<string, WordTree>();

/** The words of a locale file, set as its language sets them. */
export function readWords(file: string, language: string): WordTree {
  const text = readFileSync(file, 'utf8');
  const id = JSON.stringify([file, text]);
  const words = parsed.get(id) ?? typesetAll(parse(text), language);
  parsed.set(id, words);
  return words;
}
