import { ConfigError } from './yaml-file.js';

/** The value of a variable; undefined where it is not set, or set to nothing. */
export type RawEnvironment = (name: string) => string | undefined;

export const givenFrom =
  (env: NodeJS.ProcessEnv): RawEnvironment =>
  (name) =>
    env[name] === undefined || env[name] === '' ? undefined : env[name];

/** One of the words that a variable may hold. Throws ConfigError that lists them. */
export function oneOf<Word extends string>(name: string, words: readonly Word[], value: string): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const all = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  throw new ConfigError(`${name}=${value.slice(0, 80)} is unknown. Write ${all}.`);
}

/** A URL of one of these protocols, as it was written. It may hold a password, so errors never repeat it. */
export function urlFrom(
  raw: RawEnvironment,
  name: string,
  protocols: readonly string[],
  says: { readonly what: string; readonly remedy: string },
): string | undefined {
  const text = raw(name);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && protocols.includes(url.protocol) && url.hostname !== '') return text;
  throw new ConfigError(`${name} is not ${says.what}. ${says.remedy}`);
}
