import { Token, Tokenizer, TokenizerMode } from 'parse5';

/** What HTML is made of, in its order. Names of tags are lower-case. */
export type HtmlPiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'open'; readonly tag: string; readonly attribute: (name: string) => string | undefined }
  | { readonly kind: 'close'; readonly tag: string };

/** Elements whose content no reader sees. */
const UNSEEN = new Set(['style', 'script']);

/**
 * Takes HTML apart into texts, with entities decoded and no-break spaces as spaces, and tags. Comments, style sheets and
 * scripts are left out. It builds no tree: strangers nest tags as deep as they like, and time must grow with length only.
 */
export function htmlPieces(html: string): HtmlPiece[] {
  const pieces: HtmlPiece[] = [];
  let unseen: string | undefined;
  const text = ({ chars }: Token.CharacterToken) => {
    if (unseen === undefined) pieces.push({ kind: 'text', text: chars.replaceAll('\u00a0', ' ') });
  };
  const ignore = () => undefined;
  const tokenizer = new Tokenizer(
    {},
    {
      onCharacter: text,
      onWhitespaceCharacter: text,
      onNullCharacter: ignore,
      onComment: ignore,
      onDoctype: ignore,
      onEof: ignore,
      onStartTag(token) {
        if (UNSEEN.has(token.tagName)) {
          unseen = token.tagName;
          tokenizer.state = TokenizerMode.RAWTEXT;
        }
        const attribute = (name: string) => Token.getTokenAttr(token, name) ?? undefined;
        pieces.push({ kind: 'open', tag: token.tagName, attribute });
      },
      onEndTag({ tagName }) {
        if (tagName === unseen) unseen = undefined;
        pieces.push({ kind: 'close', tag: tagName });
      },
    },
  );
  tokenizer.write(html, true);
  return pieces;
}
