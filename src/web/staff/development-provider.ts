import { randomBytes } from 'node:crypto';
import express, { type Request, type Response, Router } from 'express';
import { exportJWK, generateKeyPair } from 'jose';
import type Provider from 'oidc-provider';
import { ROLE_WORDS, ROLES, type Role } from '../../staff/permissions.js';

export const DEVELOPMENT_CLIENT = 'hush-console';
export const DEVELOPMENT_PATH = '/dev/idp';

/** One user a role, with a name of its own. */
const USERS: Readonly<Record<Role, string>> = {
  agent: 'Dana Reyes',
  supervisor: 'Sam Okafor',
  privacy_officer: 'Priya Shah',
  admin: 'Alex Kim',
  auditor: 'Odile Martin',
};
/** A second of two roles, because some things need two people. */
const SECOND: Readonly<Partial<Record<string, { readonly name: string; readonly role: Role }>>> = {
  'agent-2': { name: 'Noor Haddad', role: 'agent' },
  'supervisor-2': { name: 'Tomás Vega', role: 'supervisor' },
  'privacy_officer-2': { name: 'Ines Brandt', role: 'privacy_officer' },
};

function userOf(id: string): { name: string; roles: Role[] } | undefined {
  const second = SECOND[id];
  if (second) return { name: second.name, roles: [second.role] };
  const role = ROLES.find((item) => item === id);
  if (role) return { name: USERS[role], roles: [role] };
  // What an identity provider may well say of somebody who has no business here.
  return id === 'visitor' ? { name: 'Vic Visitor', roles: [] } : undefined;
}

const IDS = [...ROLES, ...Object.keys(SECOND), 'visitor'];

async function makeProvider(issuer: string, redirectUri: string, signedOutUri: string): Promise<Provider> {
  // Asked for by name only here, so that no production process ever loads it: it is not even installed there.
  const { default: OidcProvider } = await import('oidc-provider');
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new OidcProvider(issuer, {
    clients: [
      {
        client_id: DEVELOPMENT_CLIENT,
        token_endpoint_auth_method: 'none',
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [signedOutUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        id_token_signed_response_alg: 'RS256',
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'development' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: { openid: ['sub'], profile: ['name', 'roles'] },
    // The console reads the ID token alone.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
    interactions: {
      url: (_context: unknown, interaction: { uid: string }) => `${DEVELOPMENT_PATH}/choose/${interaction.uid}`,
    },
    ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 3600, Session: 3600, Grant: 3600 },
    findAccount: async (_context: unknown, id: string) => {
      const user = userOf(id);
      return user && { accountId: id, claims: async () => ({ sub: id, ...user }) };
    },
    loadExistingGrant: async (context: {
      oidc: { session?: { accountId?: string }; client?: { clientId: string }; provider: Provider };
    }) => {
      const { session, client, provider: own } = context.oidc;
      const grant = new own.Grant({ accountId: session?.accountId ?? '', clientId: client?.clientId ?? '' });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
  });
  return provider;
}

/** Renders the page on which one chooses who to be. */
export type ChoosePage = (
  response: Response,
  values: {
    readonly action: string;
    readonly users: readonly { id: string; name: string; role: string; about: string }[];
  },
) => void;

/**
 * `/dev/idp`: an identity provider for development, with one user a role and no passwords. It is made when first asked for,
 * because its issuer holds the port.
 */
export function developmentProvider(parts: { readonly publicUrl: () => string; readonly page: ChoosePage }): Router {
  const { publicUrl } = parts;
  let made: Promise<Provider> | undefined;
  const provider = () => {
    made ??= makeProvider(
      `${publicUrl()}${DEVELOPMENT_PATH}`,
      `${publicUrl()}/staff/signed-in`,
      `${publicUrl()}/staff/signed-out`,
    );
    return made;
  };
  const router = Router();

  router.get('/choose/:uid', async (request: Request, response: Response) => {
    await (await provider()).interactionDetails(request, response);
    parts.page(response, {
      action: `${request.baseUrl}${request.path}`,
      users: IDS.map((id) => {
        const user = userOf(id);
        const [role] = user?.roles ?? [];
        return {
          id,
          name: user?.name ?? id,
          role: role ? ROLE_WORDS[role].name : 'no role',
          about: role ? ROLE_WORDS[role].about : 'Somebody the console does not let in.',
        };
      }),
    });
  });
  router.post('/choose/:uid', express.urlencoded({ extended: false, limit: '1kb' }), async (request, response) => {
    const accountId = String(request.body?.user ?? '');
    await (await provider()).interactionFinished(
      request,
      response,
      userOf(accountId) ? { login: { accountId, remember: true } } : { error: 'access_denied' },
      { mergeWithLastSubmission: false },
    );
  });
  router.use(async (request: Request, response: Response) => {
    (await provider()).callback()(request, response);
  });
  return router;
}
