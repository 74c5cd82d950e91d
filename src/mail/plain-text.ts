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

/** Marks of a block and its parts. They are control characters, which no value can hold: the composer makes blanks of them. */
const BLOCK = '\u0002';
const TEXT = '\u0003';
const HREF = '\u0004';

/** One piece of a mail, to be set in another medium: `title`, `body`, `item`, `link`, `number`, `soft` or `brand`. */
export interface Block {
  readonly kind: string;
  readonly text: string;
  readonly href?: string;
}

/**
 * The template of the same words as blocks, read off the MJML tree as the text part is: what is printed cannot say what
 * the mail does not.
 */
export function blockTemplateOf(node: MjmlNode): string {
  const { attributes, content = '', children = [] } = node;
  switch (node.tagName) {
    case 'mj-head':
      return '';
    case 'mj-text': {
      const kind = attributes['css-class'] === 'brand' ? 'brand' : (attributes['mj-class'] ?? 'body');
      const items = content.replace(/<li\b[^>]*>/g, `<li>${BLOCK}item${TEXT}`);
      return `${BLOCK}${kind}${TEXT}${textOf(items.replace(/<li>/g, ''))}`;
    }
    case 'mj-button':
      return `${BLOCK}link${TEXT}${textOf(content)}${HREF}${attributes.href ?? ''}`;
    case 'mj-raw':
      return (content.match(PLACEHOLDER) ?? []).join('');
    default:
      return children.map(blockTemplateOf).join('');
  }
}

/** Reads what a template of `blockTemplateOf` was rendered to; empty blocks are left out. */
export function blocksOf(rendered: string): Block[] {
  return rendered
    .split(BLOCK)
    .slice(1)
    .flatMap((part) => {
      const [kind = '', rest = ''] = part.split(TEXT);
      const [text = '', href] = rest.split(HREF).map((piece) => piece.replace(/[^\S\n]+/g, ' ').trim());
      return text === '' ? [] : [{ kind, text, ...(href === undefined ? {} : { href }) }];
    });
}

/** A rendered text part without stray blanks: at most one empty line in a row. */
export function tidyText(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}
