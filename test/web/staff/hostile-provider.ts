import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';

/** What an identity provider, or somebody in its place, may answer. */
export interface Answer {
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Signed by a key that the provider does not publish. */
  readonly otherKey?: boolean;
  readonly unsigned?: boolean;
  /** Seconds from now at which the token ends. */
  readonly ends?: number;
  readonly status?: number;
}

/** An identity provider that answers as it is told to. */
export async function hostileProvider() {
  const own = await generateKeyPair('RS256');
  const other = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' };
  const state: { answer: Answer; nonce: string; verifiers: string[] } = { answer: {}, nonce: '', verifiers: [] };
  const server = createServer((request, response) => {
    void (async () => {
      const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
      const send = (body: unknown, status = 200) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      if (request.url?.startsWith('/.well-known/openid-configuration')) {
        return send({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
        });
      }
      if (request.url === '/jwks') return send({ keys: [jwk] });
      let body = '';
      for await (const chunk of request) body += String(chunk);
      state.verifiers.push(new URLSearchParams(body).get('code_verifier') ?? '');
      const { answer } = state;
      if (answer.status) return send({ error: 'invalid_grant' }, answer.status);
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: issuer,
        aud: 'console',
        sub: 'u1',
        name: 'Mallory',
        groups: ['hush-officers'],
        nonce: state.nonce,
        iat: now,
        auth_time: now,
        exp: now + (answer.ends ?? 60),
        ...answer.claims,
      };
      const token = answer.unsigned
        ? new UnsecuredJWT(claims).encode()
        : await new SignJWT(claims)
            .setProtectedHeader({ alg: 'RS256', kid: 'k' })
            .sign((answer.otherKey ? other : own).privateKey);
      return send({ access_token: 'a', token_type: 'Bearer', id_token: token });
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    issuer: () => `http://localhost:${(server.address() as AddressInfo).port}`,
    state,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
