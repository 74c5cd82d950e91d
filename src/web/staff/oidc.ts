import * as oidc from 'openid-client';
import { HushError } from '../../core/errors.js';
import type { StaffUser } from '../../staff/audit-trail.js';
import { isRole, type Role } from '../../staff/permissions.js';

/** A relying party's settings. The issuer of development is known only once the port is. */
export interface OidcSettings {
  readonly issuer: () => string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly roleClaim: string;
  readonly roles: ReadonlyMap<string, string> | undefined;
  /** `http:` issuers, in development. */
  readonly insecure: boolean;
  readonly redirectUri: () => string;
  readonly signedOutUri: () => string;
}

/** What a browser brings back to be compared with the answer. */
export interface SignInAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly to: string;
  /** ms */
  readonly at: number;
}

/** A sign-in at the identity provider may be as old as this (s) when it is used here: the absolute limit of a session. */
export const MAX_SIGN_IN_AGE_SECONDS = 12 * 3600;
const TIMEOUT_S = 5;

/** An answer of the identity provider that is not to be trusted. Only its code is ever said, and only to the log. */
export class SignInRefused extends Error {
  constructor(
    readonly code: string,
    options?: ErrorOptions,
  ) {
    super(`sign-in refused: ${code}`, options);
    this.name = 'SignInRefused';
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error ? String(error.code) : error.name;
  return /^[\w.-]{1,60}$/.test(code) ? code : 'unknown';
}

/** Roles of the claim: our own names, or those the mapping gives. Values nobody mapped count for nothing. */
export function rolesFrom(claim: unknown, mapping: ReadonlyMap<string, string> | undefined): Role[] {
  const values = (Array.isArray(claim) ? claim : [claim]).filter((value) => typeof value === 'string');
  const named = values.map((value) => (mapping ? mapping.get(value) : value) ?? '');
  return [...new Set(named.filter(isRole))];
}

/** The relying party: authorization code with PKCE (RFC 7636), state, nonce, and an ID token whose signature is checked. */
export function createRelyingParty(settings: OidcSettings) {
  let known: Promise<oidc.Configuration> | undefined;

  async function discover(): Promise<oidc.Configuration> {
    const found = await oidc.discovery(
      new URL(settings.issuer()),
      settings.clientId,
      { id_token_signed_response_alg: 'RS256' },
      settings.clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(settings.clientSecret),
      { timeout: TIMEOUT_S, execute: settings.insecure ? [oidc.allowInsecureRequests] : [] },
    );
    // OpenID Connect Core §3.1.3.7 lets a client trust TLS alone; a signature that is there is to be checked.
    oidc.enableNonRepudiationChecks(found);
    return found;
  }

  /** Discovered when first needed, and again after a failure: the provider may start later than we do. */
  async function configuration(): Promise<oidc.Configuration> {
    known ??= discover();
    try {
      return await known;
    } catch (error) {
      known = undefined;
      throw new HushError(
        'unavailable',
        'The identity provider cannot be reached.',
        { remedy: 'try again in a minute', retryAfter: 30 },
        { cause: error },
      );
    }
  }

  return {
    /** Where to send the browser, and what to keep until it comes back. */
    async begin(to: string, now: number): Promise<{ url: string; attempt: SignInAttempt }> {
      const config = await configuration();
      const attempt = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        to,
        at: now,
      };
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: settings.redirectUri(),
        scope: 'openid profile',
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
        max_age: String(MAX_SIGN_IN_AGE_SECONDS),
      });
      return { url: url.href, attempt };
    },

    /**
     * Who came back. Of `target` (the request's) only the query counts: host and path are our own, whatever was asked for.
     * Throws SignInRefused for an answer that is not the provider's answer to this attempt.
     */
    async finish(target: string, attempt: SignInAttempt): Promise<StaffUser> {
      const config = await configuration();
      const answer = new URL(settings.redirectUri());
      answer.search = target.slice(target.indexOf('?') + 1);
      let claims: Record<string, unknown> | undefined;
      try {
        const tokens = await oidc.authorizationCodeGrant(config, answer, {
          pkceCodeVerifier: attempt.verifier,
          expectedState: attempt.state,
          expectedNonce: attempt.nonce,
          maxAge: MAX_SIGN_IN_AGE_SECONDS,
          idTokenExpected: true,
        });
        claims = tokens.claims();
      } catch (error) {
        throw new SignInRefused(codeOf(error), { cause: error });
      }
      const id = claims?.sub;
      if (typeof id !== 'string' || id === '' || id.length > 255) throw new SignInRefused('no_subject');
      const name = [claims?.name, claims?.preferred_username].find((item) => typeof item === 'string' && item !== '');
      return {
        id,
        name: String(name ?? id).slice(0, 80),
        roles: rolesFrom(claims?.[settings.roleClaim], settings.roles),
      };
    },

    /** Where signing out of the provider itself happens; undefined where it has no such page. */
    async endSessionUrl(): Promise<string | undefined> {
      try {
        const config = await configuration();
        if (config.serverMetadata().end_session_endpoint === undefined) return undefined;
        return oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: settings.signedOutUri() }).href;
      } catch {
        return undefined;
      }
    },
  };
}

export type RelyingParty = ReturnType<typeof createRelyingParty>;
