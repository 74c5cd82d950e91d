import type { MjmlNode } from 'mjml';
import { htmlPieces } from './html-pieces.js';

const PLACEHOLDER = /\{%[\s\S]*?%\}/g;
/** Elements that end a line. */
const LINES = new Set(['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'li', 'div']);

/** HTML of one text block to plain text; what stands between `{%` and `%}` is left as it is. */
function textOf(html: string): string {
  const placeholders: string[] = [];
  const bare = html.replace(PLACEHOLDER, (placeholder) => `\uE000${placeholders.push(placeholder) - 1}\uE001`);
  let text = '';
  let link: { readonly href: string; readonly from: number } | undefined;
  for (const piece of htmlPieces(bare.replace(/\s+/g, ' '))) {
    if (piece.kind === 'text') text += piece.text;
    else if (piece.kind === 'open') {
      if (piece.tag === 'li') text += '- ';
      if (piece.tag === 'br') text += '\n';
      if (piece.tag === 'a') link = { href: piece.attribute('href') ?? '', from: text.length };
    } else if (piece.tag === 'a' && link) {
      const label = text.slice(link.from);
      if (link.href !== '' && link.href !== label && !/^(tel|mailto):/.test(link.href)) text += `: ${link.href}`;
      link = undefined;
    } else if (LINES.has(piece.tag)) text += '\n';
  }
  return text.replace(/\uE000(\d+)\uE001/g, (_all, index: string) => placeholders[Number(index)] ?? '');
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
