import type { ErasurePreview } from '../../rights/requests/erasure-preview.js';

/** What `partials/erasure.ejs` says. @param labelOf an address as this visitor may see it */
export function erasureWords(preview: ErasurePreview, labelOf: (key: Buffer) => string) {
  const names = [...new Set(preview.erased.flatMap(({ destinations }) => destinations))];
  return {
    erased: preview.erased.map(({ key, entries }) => ({ label: labelOf(key), entries })),
    kept: preview.kept.map(({ key }) => labelOf(key)),
    requests: preview.requests,
    destinations: names.map((name) => ({
      name,
      labels: preview.erased.filter(({ destinations }) => destinations.includes(name)).map(({ key }) => labelOf(key)),
    })),
  };
}
