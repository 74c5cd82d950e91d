import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { renderView, versionOf } from '../../src/web/views.js';

const folder = mkdtempSync(path.join(tmpdir(), 'hush-views-'));
const view = (text: string) => {
  const file = path.join(folder, `${versionOf(text)}.ejs`);
  writeFileSync(file, text);
  return file;
};

test('a value is escaped', () => {
  expect(renderView(view('<p><%= name %></p>'), { name: '<script>"&' })).toBe('<p>&lt;script&gt;&#34;&amp;</p>');
});

test('a view may include its neighbours', () => {
  writeFileSync(path.join(folder, 'part.ejs'), '<b><%= name %></b>');
  expect(renderView(view("<%- include('part') %>!"), { name: 'Ana' })).toBe('<b>Ana</b>!');
});

test('each rendering has its own values', () => {
  const file = view('<%= name %>');
  expect([renderView(file, { name: 'Ana' }), renderView(file, { name: 'Ben' })]).toEqual(['Ana', 'Ben']);
});

test('a value that is missing is an error, never an empty place', () => {
  expect(() => renderView(view('<%= missing %>'), {})).toThrow('missing is not defined');
});

test('a version changes with the text', () => {
  expect(versionOf('a')).toMatch(/^[0-9a-f]{10}$/);
  expect(versionOf('a')).not.toBe(versionOf('b'));
});
