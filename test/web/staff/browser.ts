import type { Hush } from '../../support/hush.js';

/** Somebody at the console: cookies are kept, redirects followed one by one. */
export interface Console {
  get(path: string): Promise<Answer>;
  /** Sends a form with the session's token, unless `_csrf` is given. */
  post(path: string, fields: Readonly<Record<string, string>>): Promise<Answer>;
  /** The same where a field is sent several times. */
  postAll(path: string, fields: URLSearchParams): Promise<Answer>;
  readonly cookies: Map<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  /** Path and query that were asked last. */
  readonly at: string;
}

/** A browser without a page: what a person's own does with cookies and redirects. */
export function visitor(hush: Hush): Console {
  const cookies = new Map<string, string>();
  let csrf = '';

  async function ask(path: string, init: RequestInit = {}, hops = 0): Promise<Answer> {
    const url = new URL(path, hush.url);
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        ...(init.headers as Record<string, string> | undefined),
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      const name = pair.slice(0, at);
      if (/expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, pair.slice(at + 1));
    }
    const location = response.headers.get('location');
    if (location !== null && hops < 12) return ask(new URL(location, url).href, {}, hops + 1);
    const text = await response.text();
    csrf = /name="_csrf" value="([^"]+)"/.exec(text)?.[1] ?? csrf;
    return { status: response.status, text, headers: response.headers, at: url.pathname + url.search };
  }

  const send = (path: string, fields: URLSearchParams) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: fields.toString(),
    });

  return {
    cookies,
    get: (path) => ask(path),
    post: (path, fields) => send(path, new URLSearchParams({ _csrf: csrf, ...fields })),
    postAll(path, fields) {
      const all = new URLSearchParams(fields);
      if (!all.has('_csrf')) all.set('_csrf', csrf);
      return send(path, all);
    },
  };
}

/** Signs in at the development provider as one of its users. */
export async function signIn(hush: Hush, user: string): Promise<Console & { readonly first: Answer }> {
  const who = visitor(hush);
  const choose = await who.get('/staff');
  const action = /action="([^"]+)"/.exec(choose.text)?.[1];
  if (!action)
    throw new Error(`no page to choose a user on: ${choose.status} ${choose.at} ${choose.text.slice(0, 300)}`);
  const first = await who.post(action, { user });
  return { ...who, first };
}
