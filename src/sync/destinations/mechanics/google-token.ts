import { z } from 'zod';
import type { HttpClient } from '../../http.js';
import { createApi, misconfigured, read } from './api.js';

const granted = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
const refused = z.object({ error: z.string() });
/** A token is given up this long (ms) before it ends, so that no call meets its end. */
const EARLY = 60_000;

export interface OAuthClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
  readonly tokenUrl: string;
}

/**
 * Access tokens for a refresh token, kept while they last. `again` forgets the one that was refused.
 * @see https://developers.google.com/identity/protocols/oauth2/web-server#offline
 */
export function createGoogleToken(http: HttpClient, client: OAuthClient, now: () => number) {
  const ask = createApi(http, client.tokenUrl, {}, [client.clientSecret, client.refreshToken]);
  let kept: { readonly token: string; readonly until: number } | undefined;
  return {
    async get(signal: AbortSignal): Promise<string> {
      if (kept && kept.until > now()) return kept.token;
      const answer = await ask('POST', '', signal, {
        form: {
          grant_type: 'refresh_token',
          client_id: client.clientId,
          client_secret: client.clientSecret,
          refresh_token: client.refreshToken,
        },
        also: [400],
      });
      // `invalid_grant`: withdrawn or out of use for half a year. Somebody must sign in again.
      if (answer.status === 400)
        throw misconfigured(
          `the refresh token is not accepted: ${refused.safeParse(answer.json).data?.error ?? '400'}`,
        );
      const { access_token, expires_in } = read(granted, answer);
      kept = { token: access_token, until: now() + expires_in * 1000 - EARLY };
      return access_token;
    },
    again(): void {
      kept = undefined;
    },
  };
}
