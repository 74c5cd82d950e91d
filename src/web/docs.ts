import { Router } from 'express';
import { z } from 'zod';
import type { Pages } from './public/pages.js';

const schemaLike = z.object({}).loose();
const operationSchema = z.object({
  summary: z.string().optional(),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z
    .array(
      z.object({ name: z.string(), in: z.string(), required: z.boolean().optional(), schema: schemaLike.optional() }),
    )
    .optional(),
  requestBody: z
    .object({ content: z.record(z.string(), z.object({ schema: schemaLike.optional() })) })
    .loose()
    .optional(),
  responses: z.record(
    z.string(),
    z.object({ content: z.record(z.string(), z.object({ schema: schemaLike.optional() })).optional() }).loose(),
  ),
});
const documentSchema = z.object({
  info: z.object({ description: z.string() }).loose(),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), schemaLike).optional() }).loose(),
});

const shown = (value: unknown): string => JSON.stringify(value, null, 2).replaceAll('#/components/schemas/', '');

/** `/docs`: the API as a page, made from the same schemas that check the requests. No script, nothing from elsewhere. */
export function docsRoutes(parts: { readonly pages: Pages; readonly document: () => object }): Router {
  const router = Router();
  router.get('/v1/openapi.json', (_request, response) => response.json(parts.document()));
  router.get('/docs', (request, response) => {
    const document = documentSchema.parse(parts.document());
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        id: `${method}${path}`.replace(/[^a-z0-9]+/gi, '-'),
        method: method.toUpperCase(),
        path,
        summary: operation.summary ?? '',
        description: operation.description,
        scope: operation.security?.[0]?.key?.[0],
        parameters: (operation.parameters ?? []).map((item) => ({
          name: item.name,
          in: item.in,
          required: item.required === true,
          says: Array.isArray(item.schema?.enum) ? item.schema.enum.join(', ') : String(item.schema?.type ?? ''),
        })),
        body: bodyOf(operation.requestBody?.content),
        answer: bodyOf(operation.responses['200']?.content),
      })),
    );
    const schemas = Object.entries(document.components.schemas ?? {}).map(([name, schema]) => [name, shown(schema)]);
    parts.pages.send(request, response, 200, 'docs', undefined, { document, operations, schemas });
  });
  return router;
}

function bodyOf(content: Readonly<Record<string, { schema?: unknown }>> | undefined): string | undefined {
  const [first] = Object.entries(content ?? {});
  return first?.[1].schema === undefined ? undefined : `${first[0]}\n${shown(first[1].schema)}`;
}
