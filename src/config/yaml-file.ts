import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';

/** A configuration that cannot be used. Its message is meant to be printed alone, without a stack. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** A store that is configured well, as far as we know, and does not answer: it may come back by itself. */
export class AwayError extends ConfigError {
  override name = 'AwayError';
}

const ENVIRONMENT = /\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}/g;

/** Replaces `${NAME}` and `${NAME:-default}` in every text by the environment's value; lists what is missing. */
function fillIn(value: unknown, env: NodeJS.ProcessEnv, missing: Set<string>): unknown {
  if (typeof value === 'string') {
    return value.replace(ENVIRONMENT, (_all, name: string, fallback: string | undefined) => {
      const found = env[name] ?? fallback;
      if (found === undefined) missing.add(name);
      return found ?? '';
    });
  }
  if (Array.isArray(value)) return value.map((item) => fillIn(item, env, missing));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, env, missing)]));
  }
  return value;
}

/** What to write instead. Our own schemas say it themselves; zod's plain messages only say what is wrong. */
function remedyFor(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return `unknown: ${issue.keys.join(', ')}; remove it or check its spelling`;
    case 'invalid_value':
      return `write one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return issue.input === undefined
        ? `missing; write a ${issue.expected}`
        : `${issue.message}; write a ${issue.expected}`;
    case 'too_small':
      return `${issue.message}; write more`;
    default:
      return issue.message;
  }
}

/**
 * Reads and checks one YAML file. Throws ConfigError that names file, line, what is wrong and what to write.
 */
export function readYamlFile<T>(file: string, schema: z.ZodType<T>, env: NodeJS.ProcessEnv = process.env): T {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(`${file}: cannot be read. Create it, or set HUSH_CONFIG_DIR to the folder that has it.`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  const [fault] = document.errors;
  if (fault) {
    const line = lines.linePos(fault.pos[0]).line;
    throw new ConfigError(`${file}:${line}: not valid YAML: ${fault.message.split('\n')[0]}. Correct that line.`);
  }
  const missing = new Set<string>();
  const filled = fillIn(document.toJS(), env, missing);
  if (missing.size > 0) {
    const names = [...missing].join(', ');
    const [first = ''] = missing;
    const line = text.slice(0, Math.max(0, text.indexOf(`\${${first}`))).split('\n').length;
    throw new ConfigError(
      `${file}:${line}: needs the environment to have ${names}. Set them, or write \${NAME:-default}.`,
    );
  }
  const checked = schema.safeParse(filled, { reportInput: true });
  if (checked.success) return checked.data;
  const messages = checked.error.issues.map((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const [unknown] = issue.code === 'unrecognized_keys' ? issue.keys : [];
    let node: unknown = unknown === undefined ? undefined : document.getIn([...path, unknown], true);
    for (let depth = path.length; depth >= 0 && node === undefined; depth--) {
      node = document.getIn(path.slice(0, depth), true) ?? undefined;
    }
    const range = node !== null && typeof node === 'object' && 'range' in node ? node.range : undefined;
    const line = Array.isArray(range) ? lines.linePos(Number(range[0])).line : 1;
    return `${file}:${line}: ${path.join('.') || 'the file'}: ${remedyFor(issue)}`;
  });
  throw new ConfigError(messages.join('\n'));
}
