import { expect, test } from '@jest/globals';
import { parseFragment, serialize } from 'parse5';
import { escapeXml } from '../../src/core/escape-xml.js';

test('nothing in a text ends the element or the attribute that it stands in', () => {
  expect(escapeXml(`<b class="x">'Müller' & Söhne</b>`)).toBe(
    '&lt;b class=&quot;x&quot;&gt;&apos;Müller&apos; &amp; Söhne&lt;/b&gt;',
  );
});

test('a reader of HTML finds the text again', () => {
  const text = `"a" 'b' <c> &amp; d`;
  const fragment = parseFragment(`<i title='${escapeXml(text)}'>${escapeXml(text)}</i>`);
  expect(fragment.childNodes).toMatchObject([{ attrs: [{ value: text }], childNodes: [{ value: text }] }]);
  expect(serialize(fragment)).toContain('&lt;c&gt;');
});
