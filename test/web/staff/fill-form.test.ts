import { describe, expect, test } from '@jest/globals';
import { fillForm } from '../../../src/web/staff/fill-form.js';

const page = (body: string) =>
  `<!DOCTYPE html><html lang="en"><head><title>t</title></head><body>${body}</body></html>`;

describe('what was typed, back in its form', () => {
  test('text, area, list, boxes and buttons of choice are as they were sent; the token is the page’s own', () => {
    const html = page(`<form action="/a"><input type="hidden" name="_csrf" value="new"><input name="t" value="old">
<textarea name="w">old</textarea><select name="s"><option value="1" selected>1</option><option value="2">2</option></select>
<input type="checkbox" name="c" value="x" checked><input type="checkbox" name="c" value="y"><input type="checkbox" name="d" value="z" checked>
<input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2"><input type="file" name="f"></form>`);
    const filled = fillForm(html, {
      action: '/a',
      fields: {
        _csrf: ['old'],
        t: ['<b>"1"'],
        w: ['</textarea><script>'],
        s: ['2'],
        c: ['y'],
        r: ['2'],
        f: ['name.pdf'],
      },
    });
    expect(filled).toContain('name="_csrf" value="new"');
    expect(filled).toContain('name="t" value="&lt;b&gt;&quot;1&quot;"');
    expect(filled).toContain('&lt;/textarea&gt;&lt;script&gt;</textarea>');
    expect(filled).toContain('<option value="1">1</option><option value="2" selected="">');
    expect(filled).toMatch(
      /value="x"><input type="checkbox" name="c" value="y" checked=""><input type="checkbox" name="d" value="z">/,
    );
    expect(filled).toMatch(/name="r" value="1"><input type="radio" name="r" value="2" checked="">/);
    expect(filled).not.toContain('name.pdf');
  });

  test('of several forms with one action it is the one with the same hidden fields, and it is open', () => {
    const form = (act: string) =>
      `<details><summary>${act}</summary><form action="/p"><input type="hidden" name="act" value="${act}"><input name="why"></form></details>`;
    const filled = fillForm(page(form('extend') + form('deny') + form('refuse')), {
      action: '/p',
      fields: { act: ['deny'], why: ['because'] },
    });
    expect(filled).toContain('<details open=""><summary>deny');
    expect(filled.match(/because/g)).toHaveLength(1);
    expect(filled.match(/open=""/g)).toHaveLength(1);
  });

  test('another form of the page, and a page without it, stay as they are', () => {
    const html = page('<form action="/other"><input name="t" value="old"></form>');
    expect(fillForm(html, { action: '/a', fields: { t: ['new'] } })).toBe(html);
  });
});
