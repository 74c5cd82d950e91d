import { ticketOf } from '../middleware/csrf.js';

/** A route as its form's page is found by. */
interface Route {
  readonly method: 'get' | 'post';
  readonly path: string;
  /** Of a POST: the page that has its form, where the rule below does not find it. */
  readonly page?: string | undefined;
}

/** The parts of a path that a route's pattern names; undefined when the path is not of this route. */
function partsOf(pattern: string, path: string): Record<string, string> | undefined {
  const names = pattern.split('/');
  const parts = path.split('/');
  if (names.length !== parts.length) return undefined;
  const found: Record<string, string> = {};
  for (const [at, name] of names.entries()) {
    const part = parts[at] ?? '';
    if (name.startsWith(':')) found[name.slice(1)] = part;
    else if (name !== part) return undefined;
  }
  return found;
}

/**
 * The page that has the form which is sent to this path: what its route says, or the page at the same path, or the path without
 * its last part. Undefined where nothing is sent to.
 */
export function pageOfForm(routes: readonly Route[], path: string): string | undefined {
  const route = routes.find((item) => item.method === 'post' && partsOf(item.path, path) !== undefined);
  if (!route) return undefined;
  if (route.page) {
    const parts = partsOf(route.path, path) ?? {};
    return route.page.replace(/:(\w+)/g, (_whole, name: string) => parts[name] ?? '');
  }
  const hasPage = routes.some((item) => item.method === 'get' && item.path === route.path);
  return hasPage ? path : path.slice(0, path.lastIndexOf('/'));
}

/** What a form sent, without the session's token. */
export function fieldsIn(body: unknown): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(typeof body === 'object' && body !== null ? body : {})) {
    const texts = (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === 'string');
    if (name !== '_csrf' && texts.length > 0) fields[name] = texts;
  }
  return fields;
}

/** The part of a form's token that says whose page it was on (src/staff/drafts.ts). */
export function ticketIn(body: unknown): string {
  return ticketOf(typeof body === 'object' && body !== null && '_csrf' in body ? body._csrf : undefined);
}

export const withDraft = (page: string, id: string): string => `${page}${page.includes('?') ? '&' : '?'}draft=${id}`;
