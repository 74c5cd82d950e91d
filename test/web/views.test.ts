import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { createRender, versionOf } from '../../src/web/views.js';

const WORDS: Readonly<Record<string, string>> = {
  hello: 'Good day',
  'form.save': 'Save <all> & "go"',
  odd: 'a %> b <% c',
  colour: 'red',
};
/** As `createWords` makes it: throws for a word that there is not. */
const t = (key: string) => {
  const word = WORDS[key];
  if (word === undefined) throw new Error(`there is no word “${key}”`);
  return word;
};

/** Views by name, read from a folder of their own. */
function renderFrom(views: Readonly<Record<string, string>>, words = t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hush-views-'));
  mkdirSync(path.join(folder, 'partials'));
  for (const [name, text] of Object.entries(views)) writeFileSync(path.join(folder, `${name}.ejs`), text);
  return { folder, render: createRender(folder, words) };
}

test('a value is escaped', () => {
  const { render } = renderFrom({ page: '<p><%= name %></p>' });
  expect(render('page', { name: '<script>"&\'' })).toBe('<p>&lt;script&gt;&#34;&amp;&#39;</p>');
  expect(render('page', { name: undefined })).toBe('<p></p>');
  expect(render('page', { name: 0 })).toBe('<p>0</p>');
});

test('a value that the view trusts is not escaped', () => {
  expect(renderFrom({ page: '<%- html %>' }).render('page', { html: '<b>&</b>' })).toBe('<b>&</b>');
});

test('a view may include others, which have its values and those it gives them', () => {
  const { render } = renderFrom({
    page: "<%- include('partials/part', { title: 'Ms' }) %>!<%- include('partials/part', { title: 'Dr' }) %>",
    'partials/part': "<b><%= title %> <%= name %></b><%- include('inner') %>",
    'partials/inner': '<i><%= name %></i>',
  });
  expect(render('page', { name: 'Ana' })).toBe('<b>Ms Ana</b><i>Ana</i>!<b>Dr Ana</b><i>Ana</i>');
});

test('what one include is given is not there for the next', () => {
  const { render } = renderFrom({
    page: "<%- include('partials/part', { title: 'Ms' }) %><%- include('partials/part') %>",
    'partials/part': '[<%= locals.title %>]',
  });
  expect(render('page', {})).toBe('[Ms][]');
});

test('each rendering has its own values', () => {
  const { render } = renderFrom({ page: '<%= name %><%= locals.more %>' });
  expect(render('page', { name: 'Ana' })).toBe('Ana');
  expect(render('page', { name: 'Ben', more: '!' })).toBe('Ben!');
  expect(render('page', { more: '?', name: 'Cem' })).toBe('Cem?');
  expect(render('page', { name: 'Ana' })).toBe('Ana');
});

test('a value that is missing is an error that names the view, never an empty place', () => {
  const { render } = renderFrom({ page: '<%= missing %>', whole: '<%= name %>' });
  expect(() => render('page', {})).toThrow(/page\.ejs[\s\S]*missing is not defined/);
  expect(render('whole', { name: 'Ana' })).toBe('Ana');
  expect(() => render('whole', {})).toThrow('name is not defined');
  // Every object has it, and yet nobody gave it.
  expect(() => renderFrom({ page: '<%= hasOwnProperty %>' }).render('page', {})).not.toThrow();
});

test('words are in place, escaped, wherever a view reads them', () => {
  const { render } = renderFrom({
    page: "<h1><%= t('hello') %></h1><p title=\"<%= t('form.save') %>\"><%= name + ': ' + t('form.save') %> <%= t('odd') %> <%= t('odd') + '' %></p>",
  });
  expect(render('page', { name: 'Ana' })).toBe(
    '<h1>Good day</h1><p title="Save &lt;all&gt; &amp; &#34;go&#34;">Ana: Save &lt;all&gt; &amp; &#34;go&#34; a %&gt; b &lt;% c a %&gt; b &lt;% c</p>',
  );
});

test('a word that depends on a value is read when the view is rendered', () => {
  const { render } = renderFrom({ page: "<%= t(is ? 'hello' : 'colour') %> <%= t('form.' + act) %>" });
  expect(render('page', { is: true, act: 'save' })).toBe('Good day Save &lt;all&gt; &amp; &#34;go&#34;');
  expect(() => render('page', { is: true, act: 'drop' })).toThrow('there is no word “form.drop”');
});

test('a constant word is read once, and not for each page', () => {
  let reads = 0;
  const counted = (key: string) => {
    reads++;
    return t(key);
  };
  const { render } = renderFrom({ page: "<%= t('hello') %><%= name + t('colour') %>" }, counted);
  for (const name of ['Ana', 'Ben', 'Cem']) expect(render('page', { name })).toBe(`Good day${name}red`);
  expect(reads).toBe(2);
});

test('a view that reads a word that there is not stops the start, and is named', () => {
  expect(() => renderFrom({ page: "<%= t('hello') %><% if (false) { %><%= t('nowhere') %><% } %>" })).toThrow(
    /page\.ejs: there is no word “nowhere”/,
  );
  expect(() => renderFrom({ page: '', 'partials/part': "<%= name + t('nowhere') %>" })).toThrow(/part\.ejs/);
});

test('only the words of tags are replaced', () => {
  expect(renderFrom({ page: "t('hello') <%= at('hello') %>" }).render('page', { at: (key: string) => key })).toBe(
    "t('hello') hello",
  );
});

test('who reads the views anew sees one that changed', () => {
  const { folder, render } = renderFrom({ page: 'old' });
  expect(render('page', {})).toBe('old');
  writeFileSync(path.join(folder, 'page.ejs'), 'new');
  expect(render('page', {})).toBe('old');
  expect(createRender(folder, t)('page', {})).toBe('new');
});

test('a view that there is not is an error', () => {
  expect(() => renderFrom({}).render('page', {})).toThrow('there is no view');
});

test('a version changes with the text', () => {
  expect(versionOf('a')).toMatch(/^[0-9a-f]{10}$/);
  expect(versionOf('a')).not.toBe(versionOf('b'));
});
