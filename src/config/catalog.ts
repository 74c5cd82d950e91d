import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Catalog } from '../core/catalog.js';
import { CHANNELS, PURPOSES } from '../core/scope.js';
import { readYamlFile } from './yaml-file.js';

const words = z.object({ en: z.string().min(1) }).catchall(z.string().min(1));
const id = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'write lower-case letters, digits and dashes, at most 32');
const code = z.number().int().min(1, 'give a whole number from 1 to 255').max(255, 'give a whole number from 1 to 255');
const color = z.string().regex(/^#[0-9a-f]{6}$/i, 'write a colour as #rrggbb');

const brand = z.strictObject({
  id,
  code,
  name: z.string().min(1),
  legalName: z.string().min(1),
  look: z.strictObject({ color, ink: color, darkColor: color, darkInk: color }),
  postal: z.string().min(1, 'a postal address is required in marketing mail (15 USC 7704(a)(5))'),
  phone: z.string().min(1),
  from: z.string().min(3),
  retired: z.boolean().default(false),
});

const topic = z.strictObject({
  id,
  code,
  brands: z.array(id).min(1),
  channels: z.array(z.enum(CHANNELS)).min(1),
  name: words,
  frequency: words.optional(),
  retired: z.boolean().default(false),
});

const purposeWords = z.strictObject({
  sentence: words,
  noun: words,
  use: words.optional(),
  detail: words.optional(),
  offered: z.boolean().default(false),
  channels: z.array(z.enum(CHANNELS)).default([]),
});

const binding = z.strictObject({
  name: id,
  brand: id,
  channel: z.enum(CHANNELS),
  purpose: z.enum(PURPOSES),
  topic: z.string().default('*'),
  target: z.record(z.string(), z.unknown()).default({}),
});

const destination = z.strictObject({
  name: id,
  adapter: z.string(),
  role: z.enum(['processor', 'third_party']),
  settings: z.record(z.string(), z.unknown()).default({}),
  bindings: z.array(binding).min(1, 'bind at least one scope'),
  reconcileHours: z.number().positive().optional(),
  callsPerSecond: z.number().positive().optional(),
});

const accessSystem = z.strictObject({
  name: id,
  url: z.url({ protocol: /^https?$/ }),
  role: z.enum(['processor', 'third_party']),
  about: words,
  // Standard Webhooks: 24 to 64 bytes in base64.
  secret: z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'give whsec_ and the base64 of 24 to 64 random bytes'),
  answerDays: z.number().int().min(1).max(30).default(10),
});

/** Relative luminance and contrast of two colours. WCAG 2.2, 1.4.3. */
export function contrast(first: string, second: string): number {
  const luminance = (hex: string) => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light = 0, dark = 0] = [luminance(first), luminance(second)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** Backgrounds of `public/hush.css` on which a brand's colour is used as text. */
const PAPER = { light: '#fbfaf8', dark: '#1c2225' };

const catalogSchema = z
  .strictObject({
    group: z.strictObject({
      name: z.string().min(1),
      privacyAddress: z.string().min(3),
      phone: z.string().min(1),
      postal: z.string().min(1),
      policyUrl: z.url(),
      defaultCountry: z.string().length(2).default('US'),
      inboundDomain: z.string().min(3),
    }),
    languages: z.array(z.string()).min(1).default(['en']),
    brands: z.array(brand).min(1),
    topics: z.array(topic),
    purposes: z.record(z.enum(PURPOSES), purposeWords),
    stopReasons: z.array(z.strictObject({ id, words })).max(8, 'a short question has at most 8 answers').default([]),
    notices: z.array(z.strictObject({ id, version: z.string().min(1), language: z.string(), text: z.string().min(1) })),
    destinations: z.array(destination).default([]),
    accessSystems: z.array(accessSystem).default([]),
  })
  .superRefine((catalog, context) => {
    const fault = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
    const unique = (
      list: readonly { id?: string; code?: number; name?: unknown }[],
      key: 'id' | 'code' | 'name',
      at: string,
    ) => {
      const ids = new Set<unknown>();
      list.forEach((item, index) => {
        if (ids.has(item[key])) fault([at, index, key], `${String(item[key])} is used twice; give each its own`);
        ids.add(item[key]);
      });
    };
    unique(catalog.brands, 'id', 'brands');
    unique(catalog.brands, 'code', 'brands');
    unique(catalog.topics, 'id', 'topics');
    unique(catalog.stopReasons, 'id', 'stopReasons');
    unique(catalog.topics, 'code', 'topics');
    unique(catalog.destinations, 'name', 'destinations');
    unique(catalog.accessSystems, 'name', 'accessSystems');
    const brands = new Set(catalog.brands.map((item) => item.id));
    const topics = new Set(catalog.topics.map((item) => item.id));
    catalog.topics.forEach((item, index) => {
      item.brands.forEach((name, at) => {
        if (!brands.has(name)) fault(['topics', index, 'brands', at], `there is no brand ${name}; add it under brands`);
      });
    });
    catalog.brands.forEach(({ look }, index) => {
      const pairs: [string, string, string][] = [
        ['color', look.color, look.ink],
        ['color', look.color, PAPER.light],
        ['darkColor', look.darkColor, look.darkInk],
        ['darkColor', look.darkColor, PAPER.dark],
      ];
      for (const [field, front, back] of pairs) {
        const ratio = contrast(front, back);
        if (ratio < 4.5) {
          fault(
            ['brands', index, 'look', field],
            `${front} on ${back} has a contrast of ${ratio.toFixed(1)}; WCAG 1.4.3 asks for 4.5: choose a ${field === 'color' ? 'darker' : 'lighter'} colour`,
          );
        }
      }
    });
    catalog.destinations.forEach((item, index) => {
      unique(item.bindings, 'name', `destinations.${index}.bindings`);
      item.bindings.forEach((bound, at) => {
        if (!brands.has(bound.brand))
          fault(['destinations', index, 'bindings', at, 'brand'], `there is no brand ${bound.brand}`);
        if (bound.topic !== '*' && !topics.has(bound.topic)) {
          fault(['destinations', index, 'bindings', at, 'topic'], `there is no topic ${bound.topic}`);
        }
      });
    });
  });

/** Reads `catalog.yaml`. Throws ConfigError with file, line and remedy. */
export function readCatalog(file: string, env?: NodeJS.ProcessEnv): Catalog {
  const { destinations, ...catalog } = readYamlFile(file, catalogSchema, env);
  return {
    ...catalog,
    destinations: destinations.map(({ bindings, ...rest }) => ({
      ...rest,
      bindings: bindings.map(({ name, target, brand: brandId, channel, purpose, topic: topicId }) => ({
        name,
        target,
        scope: { brand: brandId, channel, purpose, topic: topicId },
      })),
    })),
  };
}

/** Changes when a decision or a binding may come out otherwise; every synced state carries it. Secrets are not in it. */
export function configurationHash(catalog: Catalog, policy: unknown): string {
  const bindings = catalog.destinations.map(({ name, adapter, bindings: list }) => ({ name, adapter, list }));
  const topics = catalog.topics.map(({ id: topicId, brands, retired }) => ({ topicId, brands, retired }));
  return createHash('sha256')
    .update(JSON.stringify([policy, bindings, topics]))
    .digest('base64url')
    .slice(0, 16);
}
