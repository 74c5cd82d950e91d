import type { z } from 'zod';
import { ConfigError } from '../config/yaml-file.js';
import type { Catalog } from '../core/catalog.js';
import type { Adapter, AdapterParts, BoundDestination } from './destination.js';

/** What is wrong first; of alternatives, what each of them wants. */
function says(issue: z.core.$ZodIssue | undefined, at: string): string {
  if (!issue) return `${at} is not valid`;
  const path = [at, ...issue.path.map(String)].join('.');
  if (issue.code !== 'invalid_union') return `${path}: ${issue.message}`;
  return issue.errors.map(([first]) => says(first, path)).join(', or ');
}

function firstFault(error: z.ZodError, at: string): string {
  return `config/catalog.yaml: ${says(error.issues[0], at)}`;
}

/** Makes the adapters of the catalog's destinations. Throws ConfigError that names destination, field and remedy. */
export function bindDestinations(
  catalog: Catalog,
  adapters: Readonly<Record<string, Adapter>>,
  parts: Omit<AdapterParts, 'name'>,
): (BoundDestination & { readonly reportsAs: NonNullable<Adapter['reportsAs']> })[] {
  return catalog.destinations.map(({ name, adapter: adapterName, settings, bindings, role, ...rest }) => {
    const adapter = adapters[adapterName];
    if (!adapter) {
      throw new ConfigError(
        `config/catalog.yaml: destinations.${name}.adapter: there is no adapter ${adapterName}; use one of ${Object.keys(adapters).join(', ')}`,
      );
    }
    const checked = adapter.settings.safeParse(settings);
    if (!checked.success) throw new ConfigError(firstFault(checked.error, `destinations.${name}.settings`));
    const bound = bindings.map((binding) => {
      const target = adapter.target.safeParse(binding.target);
      if (!target.success)
        throw new ConfigError(firstFault(target.error, `destinations.${name}.bindings.${binding.name}.target`));
      return { ...binding, target: target.data as Readonly<Record<string, unknown>> };
    });
    const destination = adapter.create(checked.data, { ...parts, name }, bound);
    if (role === 'third_party' && destination.form === 'readable') {
      throw new ConfigError(
        `config/catalog.yaml: destinations.${name}.role: a third party gets hashes only, and ${adapterName} sends readable addresses. Write role: processor if it works on your behalf under a contract, or use another adapter.`,
      );
    }
    return {
      ...rest,
      name,
      adapter: adapterName,
      role,
      bindings: bound,
      destination,
      reportsAs: adapter.reportsAs ?? 'webhook',
    };
  });
}
