import { describe, expect, test } from '@jest/globals';
import { htmlPieces } from '../../src/mail/html-pieces.js';

const textOf = (html: string) =>
  htmlPieces(html)
    .map((piece) => (piece.kind === 'text' ? piece.text : ''))
    .join('');

describe('HTML in pieces', () => {
  test('tags come in their order, in small letters, with their attributes decoded', () => {
    const pieces = htmlPieces('<P>See <a HREF="/x?a=1&amp;b=2">this</A><br/></p>');
    const spelt = pieces.map((piece) =>
      piece.kind === 'text' ? piece.text : piece.kind === 'close' ? `/${piece.tag}` : `+${piece.tag}`,
    );
    expect(spelt.join('|').replaceAll('| |', ' ')).toBe('+p|See +a|this|/a|+br|/p');
    const link = pieces.find((piece) => piece.kind === 'open' && piece.tag === 'a');
    expect(link?.kind === 'open' && [link.attribute('href'), link.attribute('title')]).toEqual([
      '/x?a=1&b=2',
      undefined,
    ]);
  });

  test('entities of every kind are decoded', () => {
    expect(textOf('&lt;a@b.example&gt; &#x263A; &#9786; &copy; &eacute;&nbsp;&amp;amp;')).toBe(
      '<a@b.example> ☺ ☺ © é &amp;',
    );
  });

  test('what no reader sees is left out', () => {
    expect(textOf('a<!-- > b -->c<style>p > a { }</style>d<script>if (1 < 2) "</p>"</script>e<!doctype html>f')).toBe(
      'acdef',
    );
    expect(textOf('a<style>b')).toBe('a');
    expect(htmlPieces('<script>"<br>"</script>')).toMatchObject([{ tag: 'script' }, { tag: 'script' }]);
  });

  test('a sign that begins no tag is a sign', () => {
    expect(textOf('1 < 2, <3')).toBe('1 < 2, <3');
  });

  test('tags nested without end take time by their number only', () => {
    expect(htmlPieces('<b>'.repeat(80_000))).toHaveLength(80_000);
  });
});
