import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import type { NextFunction, Request, RequestHandler, Response, Router } from 'express';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { ApiKey, KeyScope } from '../../store/api-keys.js';
import { readJsonBody } from '../middleware/json.js';
import { faultsOf } from './remedies.js';

export interface ApiRequest<Body, Query> {
  readonly body: Body;
  readonly query: Query;
  readonly params: Readonly<Record<string, string>>;
  readonly key: ApiKey;
  readonly request: Request;
  readonly response: Response;
}

export interface RouteDefinition<Body, Query> {
  readonly method: 'get' | 'post' | 'delete' | 'patch';
  /** Express path under /v1, such as `/receipts/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly scope: KeyScope;
  readonly body?: z.ZodType<Body>;
  readonly query?: z.ZodType<Query>;
  readonly answer: z.ZodType | string;
  /** Media types of a body that the handler reads itself as a stream; the only ones when there is no `body`. */
  readonly streams?: readonly string[];
  /** A value is sent as JSON; undefined means the handler answered by itself. */
  readonly handle: (request: ApiRequest<Body, Query>) => Promise<unknown>;
}

/** The first fault in plain words, all of them in `errors`. */
export function invalidFrom(error: z.ZodError, prefix = ''): HushError {
  const errors = faultsOf(error.issues).map(({ path, remedy }) => ({
    field: `${prefix}${path.join('.')}` || 'body',
    message: remedy,
  }));
  const [first] = errors;
  return new HushError('invalid', first ? `${first.field}: ${first.message}` : 'the request is not valid', {
    field: first?.field ?? 'body',
    remedy: first?.message ?? 'see /docs',
    errors: errors.slice(0, 20),
  });
}

const hasBody = (request: Request): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;

/** Where what is asked can contradict what is there: by method and path. */
const CONFLICTS: Readonly<Record<string, string>> = {
  'post /events':
    'This Idempotency-Key was used with another body. An id used before with other content rejects its event only',
  'post /contacts/replace': 'This Idempotency-Key was used with another body',
  'post /requests': 'This id was used before for another request',
  'get /changes':
    'Changes after this cursor are no longer kept, or an older backup was restored since; begin again with /v1/suppressions',
  'post /webhooks': 'There are as many webhooks as there may be, or the feed cannot go on after this cursor',
  'post /webhooks/:id/replay': 'The feed cannot go on after this cursor; begin again with /v1/suppressions',
};

/** Routes on which a contact can be named by its key alone, and a key that nobody knows refuses the request. */
const TAKES_KEYS: ReadonlySet<string> = new Set([
  'post /decisions',
  'post /decisions/batch',
  'post /contacts/lookup',
  'post /contacts/link',
  'post /contacts/replace',
  'post /consents',
  'post /requests',
]);

/** What can go wrong on a route, by status; a fault of ours (500) aside, which no caller can plan for. */
function faultsOfRoute(route: Pick<RouteDefinition<unknown, unknown>, 'method' | 'path'>): Record<number, string> {
  const conflict = CONFLICTS[`${route.method} ${route.path}`];
  return {
    400: 'A field is wrong; it is named, with the remedy',
    401: 'No key, or one that is not known',
    403: 'The key lacks a scope',
    ...(route.path.includes(':') ? { 404: 'There is nothing under this id or name, or not yet' } : {}),
    ...(TAKES_KEYS.has(`${route.method} ${route.path}`) ? { 404: 'Nobody is known under the key of a contact' } : {}),
    // Any JSON is read, also where none is asked for.
    ...(route.method === 'get' ? {} : { 408: 'The body did not arrive in time; nothing was done' }),
    ...(conflict === undefined ? {} : { 409: conflict }),
    ...(route.method === 'get' ? {} : { 413: 'The body is larger than 5 MB' }),
    429: 'Too many unknown keys from this network; Retry-After says when to try again',
    503: 'The record cannot be reached, so nothing is confirmed; Retry-After says when to try again',
  };
}

const readJson = readJsonBody('5mb');

/** Collects routes, so that the requests checked and the description served come from the same schemas. */
export function createApiRoutes(router: Router, authenticate: (request: Request) => Promise<ApiKey>) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, hk_…',
  });
  const problem = registry.register(
    'Problem',
    z.object({
      type: z.string(),
      title: z.string(),
      status: z.number(),
      detail: z.string(),
      code: z.string(),
      field: z.string().optional(),
      remedy: z.string().optional(),
      errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    }),
  );
  const fault = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: problem } },
  });

  return {
    add<Body = undefined, Query = undefined>(route: RouteDefinition<Body, Query>): void {
      const handler: RequestHandler = async (request: Request, response: Response, next: NextFunction) => {
        try {
          const key = await authenticate(request);
          if (!key.scopes.includes(route.scope)) {
            throw new HushError('forbidden', `this key lacks the scope ${route.scope}`, {
              remedy: `make a key with it: hush keys create --scopes ${route.scope}`,
            });
          }
          const streamed = route.streams !== undefined && Boolean(request.is([...route.streams]));
          // Only now: whoever has no key for it has us read and parse nothing.
          if (!streamed) await readJson(request, response);
          if (!streamed && (route.body ? request.body === undefined && hasBody(request) : route.streams)) {
            const types = [...(route.body ? ['application/json'] : []), ...(route.streams ?? [])];
            throw new HushError('invalid', `the body is not marked as ${route.body ? 'JSON' : types.join(' or ')}`, {
              field: 'content-type',
              remedy: `send Content-Type: ${types.join(' or ')}`,
            });
          }
          const body = route.body && !streamed ? route.body.safeParse(request.body ?? {}) : undefined;
          if (body && !body.success) throw invalidFrom(body.error);
          const query = route.query?.safeParse(request.query);
          if (query && !query.success) throw invalidFrom(query.error);
          const answer = await route.handle({
            body: body?.data as Body,
            query: query?.data as Query,
            params: request.params as Record<string, string>,
            key,
            request,
            response,
          });
          if (answer !== undefined && !response.headersSent) response.json(answer);
        } catch (error) {
          next(error);
        }
      };
      router[route.method](route.path, handler);
      const names = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '');
      registry.registerPath({
        method: route.method,
        path: `/v1${route.path.replace(/:(\w+)/g, '{$1}')}`,
        summary: route.summary,
        ...(route.description ? { description: route.description } : {}),
        security: [{ key: [route.scope] }],
        request: {
          ...(route.query ? { query: route.query as never } : {}),
          ...(names.length > 0
            ? { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }
            : {}),
          ...(route.body || route.streams
            ? {
                body: {
                  required: true,
                  content: {
                    ...(route.body ? { 'application/json': { schema: route.body } } : {}),
                    ...Object.fromEntries((route.streams ?? []).map((type) => [type, { schema: z.string() }])),
                  },
                },
              }
            : {}),
        },
        responses: {
          200: {
            description: 'Done',
            content:
              typeof route.answer === 'string'
                ? { [route.answer]: { schema: z.string() } }
                : { 'application/json': { schema: route.answer } },
          },
          ...Object.fromEntries(Object.entries(faultsOfRoute(route)).map(([status, text]) => [status, fault(text)])),
        },
      });
    },

    /** OpenAPI 3.1 of everything added so far. */
    document(publicUrl: string): object {
      return new OpenApiGeneratorV31(registry.definitions).generateDocument({
        openapi: '3.1.0',
        info: {
          title: 'Hush',
          version: '1',
          description:
            'Marketing preferences and opt-outs. Errors are RFC 9457 problem documents. Times are RFC 3339, UTC.',
        },
        servers: [{ url: publicUrl }],
      });
    },
  };
}

export type ApiRoutes = ReturnType<typeof createApiRoutes>;
