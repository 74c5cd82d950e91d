import { type Handler, refuse } from './server.js';

/** Google's token endpoint: each time another access token, for one refresh token of one client. */
export function googleTokens(refreshToken: string) {
  let count = 0;
  const issue: Handler = ({ raw }) => {
    const fields = new URLSearchParams(raw.toString());
    if (fields.get('grant_type') !== 'refresh_token' || fields.get('client_secret') !== 'google-stand-in-secret')
      return refuse(401, { error: 'invalid_client' });
    if (fields.get('refresh_token') !== refreshToken) return refuse(400, { error: 'invalid_grant' });
    count++;
    return { status: 200, json: { access_token: `access-${count}`, expires_in: 3599, token_type: 'Bearer' } };
  };
  return {
    issue,
    isCurrent: (authorization: string | undefined): boolean => authorization === `Bearer access-${count}`,
    count: (): number => count,
    /** The one that was issued last ends. */
    expire(): void {
      count++;
    },
  };
}
