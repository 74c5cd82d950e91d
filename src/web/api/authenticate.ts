import type { Request } from 'express';
import { HushError } from '../../core/errors.js';
import type { Machine } from '../../core/machine.js';
import type { ApiKey, ApiKeys } from '../../store/api-keys.js';
import { unavailable, withTimeout } from '../../store/connect.js';

/** Finds the key of a request. Throws HushError: `unauthorized`, or `rate_limited` after many wrong ones from one network. */
export function createAuthenticate(parts: {
  readonly apiKeys: ApiKeys;
  readonly machine: Pick<Machine, 'after'>;
  readonly badKey: (request: Request) => Promise<void>;
}): (request: Request) => Promise<ApiKey> {
  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1];
    if (token === undefined) {
      throw new HushError('unauthorized', 'this needs an API key', {
        remedy: 'send Authorization: Bearer hk_…; make a key with hush keys create',
      });
    }
    let key: ApiKey | undefined;
    try {
      key = await withTimeout(parts.machine, parts.apiKeys.authenticate(token));
    } catch (error) {
      throw unavailable(error);
    }
    if (key) return key;
    await parts.badKey(request);
    throw new HushError('unauthorized', 'this API key is not known, or was revoked', {
      remedy: 'make a key with hush keys create',
    });
  };
}
