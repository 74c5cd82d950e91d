import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { Links } from '../../preferences/links.js';
import type { RequestReader } from './requests.js';
import type { ApiRoutes } from './route.js';
import { linkSchema } from './schemas.js';

const linksSchema = z.object({
  oneClickUrl: z.string(),
  preferencesUrl: z.string(),
  headers: z.object({
    'List-Unsubscribe': z.string(),
    'List-Unsubscribe-Post': z.string(),
    'CFBL-Address': z.string(),
  }),
});

export function linkRoutes(routes: ApiRoutes, parts: { readonly links: Links; readonly reader: RequestReader }): void {
  const { links, reader } = parts;

  function make(input: z.infer<typeof linkSchema>) {
    if ('key' in input.contact) {
      throw new HushError('invalid', 'a link holds the address, so it cannot be made from a key', {
        field: 'contact.key',
        remedy: 'give the address',
      });
    }
    const { contact: _contact, topic, campaign, ...rest } = input;
    return links.forMail({
      ...rest,
      point: reader.pointOf(input.contact),
      topic: topic ?? '*',
      campaign: campaign ?? '',
    });
  }

  routes.add({
    method: 'post',
    path: '/links',
    operationId: 'createLinks',
    tag: 'Links',
    summary: 'Links and headers for one message or many',
    description:
      'Send one object for one message, or {"links": […]} with up to 10,000. Put all three headers into the message and have them covered by its DKIM signature (RFC 8058, RFC 9477).',
    scope: 'links',
    body: z.union([z.strictObject({ links: z.array(linkSchema).min(1).max(10_000) }), linkSchema], {
      error: 'give contact, brand, channel and purpose, or {"links": […]}',
    }),
    answer: z.union([linksSchema, z.object({ links: z.array(linksSchema) })]),
    async handle({ body }) {
      return 'links' in body ? { links: body.links.map(make) } : make(body);
    },
  });
}
