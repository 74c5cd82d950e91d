import type { MjmlNode } from 'mjml';

const PLACEHOLDER = /\{%[\s\S]*?%\}/g;
const ENTITIES: Readonly<Record<string, string>> = {
  '&nbsp;': ' ',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
};

/** HTML of one text block to plain text; what stands between `{%` and `%}` is left as it is. */
function textOf(html: string): string {
  const kept: string[] = [];
  const bare = html.replace(PLACEHOLDER, (placeholder) => `\uE000${kept.push(placeholder) - 1}\uE001`);
  return bare
    .replace(/\s+/g, ' ')
    .replace(/<a\b[^>]*\bhref="([^"]*)"[^>]*>(.*?)<\/a>/g, (_all, href: string, label: string) =>
      /^(tel|mailto):/.test(href) || href === label ? label : `${label}: ${href}`,
    )
    .replace(/<li\b[^>]*>/g, '- ')
    .replace(/<br\s*\/?>|<\/(p|h[1-6]|li|div)>/g, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&(nbsp|lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity] ?? entity)
    .replace(/\uE000(\d+)\uE001/g, (_all, index: string) => kept[Number(index)] ?? '');
}

/**
 * The text part's template, read off the MJML tree: the same words in the same order, so that neither part can say what
 * the other does not. A button becomes its label and, on a line of its own, its link.
 */
export function plainTextOf(node: MjmlNode): string {
  switch (node.tagName) {
    case 'mj-head':
      return '';
    case 'mj-text':
      return `${textOf(node.content ?? '')}\n\n`;
    case 'mj-button':
      return `${textOf(node.content ?? '')}:\n${node.attributes.href ?? ''}\n\n`;
    case 'mj-raw':
      // Only control flow around other blocks has a meaning in text.
      return (node.content?.match(PLACEHOLDER) ?? []).join('');
    default:
      return (node.children ?? []).map(plainTextOf).join('');
  }
}

/** A rendered text part without stray blanks: at most one empty line in a row. */
export function tidyText(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}
