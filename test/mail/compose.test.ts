import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { machine } from '../../src/machine.js';
import { createComposer, type MailRequest } from '../../src/mail/compose.js';
import { catalog, composer, FOLDERS, VALUES } from './setting.js';

const request = (change: Partial<MailRequest> = {}): MailRequest => ({
  template: 'change-confirmation',
  language: 'en',
  brand: 'jmf',
  to: 'ana@example.com',
  values: VALUES,
  ...change,
});
const escaped = (text: string) => text.replaceAll('&', '&amp;');
const tags = (html: string) => html.match(/<[a-z!/]/gi)?.length;

test('there are the four mails of the preference journeys', () => {
  expect([...composer.templates.keys()]).toEqual(
    expect.arrayContaining(['change-confirmation', 'confirm', 'stopped-notice', 'your-link']),
  );
});

// Letters about requests have values of their own: test/rights/letters.test.ts.
describe.each([...composer.templates.keys()].filter((name) => !name.startsWith('letter-')))(
  'the mail %s',
  (template) => {
    test.each(['en', 'es', 'fr', 'de'])(
      'in %s has a subject, both parts with the same words and link, and who sends it',
      (language) => {
        for (const brand of catalog.brands) {
          const { from, subject, html, text } = composer.compose(request({ template, language, brand: brand.id }));
          expect(subject).toMatch(/^\S.{8,90}\S$/u);
          expect(html).toContain(`<html lang="${language}"`);
          const needed = composer.templates.get(template) ?? [];
          const links = needed
            .filter((name) => /link$/i.test(name))
            .map((name) => (name === 'link' ? VALUES.link : VALUES.undoLink));
          expect(links.length).toBeGreaterThan(0);
          for (const link of links) {
            expect(html).toContain(`href="${escaped(link)}"`);
            expect(text).toContain(link);
          }
          for (const part of [html, text]) {
            for (const name of needed)
              for (const value of [VALUES[name as keyof typeof VALUES]].flat())
                expect(part).toContain(part === html ? escaped(value) : value);
            expect(part).toContain(brand.postal);
            expect(part).toContain(brand.phone);
            expect(part).not.toMatch(/\{%|%\}|\{\{|undefined|\[object/);
          }
          expect(html).toContain(brand.look.color);
          expect(html).toContain(brand.look.darkColor);
          expect(`${from.name} <${from.address}>`).toBe(brand.from);
        }
      },
    );

    test('asks nothing of anybody else: no image, font or style from the network', () => {
      const { html } = composer.compose(request({ template }));
      expect(html).not.toMatch(/\bsrc=|@import|url\(|<link\b/i);
    });
  },
);

test('the text part says every sentence that the HTML part shows', () => {
  const { html, text } = composer.compose(request({ template: 'stopped-notice', language: 'es' }));
  const body = html.slice(html.indexOf('role="article"'));
  const shown = [...body.replace(/<!--[\s\S]*?-->/g, '').matchAll(/>([^<>]*\p{L}[^<>]*)</gu)].map(([, words = '']) =>
    words.trim(),
  );
  expect(shown.length).toBeGreaterThan(8);
  for (const words of shown) expect(text).toContain(words);
});

test('markup in a value is shown, not obeyed', () => {
  const evil = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>&amp;';
  const { html, text } = composer.compose(request({ values: { ...VALUES, changes: [evil], receipt: evil } }));
  expect(html).not.toContain('<script');
  expect(html).not.toContain('<img');
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(html).toContain('&amp;amp;');
  expect(text).toContain(evil);
});

test('no value whatever adds an element to the HTML or a line to the text', () => {
  const lines = (text: string) => text.split('\n').length;
  const plain = composer.compose(request({ template: 'confirm', values: { ...VALUES, notice: 'x' } }));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[<>"'&{}%=$()\r\n/a-t-]*$/)), (notice) => {
      const { html, text } = composer.compose(
        request({ template: 'confirm', values: { ...VALUES, notice: `a${notice}z` } }),
      );
      expect(tags(html)).toBe(tags(plain.html));
      expect(lines(text)).toBe(lines(plain.text));
    }),
  );
});

test('placeholders in a value are words like others', () => {
  const tricks = ['{{phone}}', '$t(common.why)', '{%= brand.postal %}', '<%= 1 %>', '$&', 'constructor'];
  const { text } = composer.compose(request({ values: { ...VALUES, changes: tricks } }));
  for (const trick of tricks) expect(text).toContain(`- ${trick}\n`);
});

test('a link that is no web address is refused', () => {
  for (const link of [
    'javascript:alert(1)',
    'https://a.example/\r\nx',
    'https://a.example/"onclick="x',
    '',
    'data:text/html,x',
  ]) {
    expect(() => composer.compose(request({ template: 'your-link', values: { link } }))).toThrow(
      expect.objectContaining({ kind: 'invalid' }),
    );
  }
});

test('a mail without a value it needs is refused, and the refusal names it', () => {
  expect(() => composer.compose(request({ values: { changes: [], undoLink: VALUES.undoLink } }))).toThrow(
    /change-confirmation needs receipt/,
  );
});

test('a mail is a service message: machines do not answer it, and it has no List-Unsubscribe unless given one', () => {
  const { headers } = composer.compose(request());
  expect(headers['Auto-Submitted']).toBe('auto-generated');
  expect(Object.keys(headers).join()).not.toMatch(/list-unsubscribe/i);
  const given = {
    'List-Unsubscribe': '<https://preferences.example.com/u/t0ken>',
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  };
  expect(composer.compose(request({ headers: given })).headers).toMatchObject(given);
});

test('the Message-ID is at the brand’s domain, the same for the same id and another for another', () => {
  const idOf = (change: Partial<MailRequest>) => composer.compose(request(change)).headers['Message-ID'];
  expect(idOf({ id: 'one' })).toMatch(/^<[0-9a-f]{32}@jmf\.example>$/);
  expect(idOf({ id: 'one' })).toBe(idOf({ id: 'one' }));
  expect(idOf({ id: 'one', brand: 'shipping' })).toMatch(/@shipping\.example>$/);
  expect(new Set([idOf({ id: 'one' }), idOf({ id: 'two' }), idOf({}), idOf({})]).size).toBe(4);
});

test('a header that could start another, or take the place of ours, is refused', () => {
  const bad: Record<string, string>[] = [
    { 'X-Note': 'a\r\nBcc: eve@example.com' },
    { 'X-Note': 'a\nb' },
    { 'X-Note': 'a\0b' },
    { 'X-Note: a\r\nBcc': 'eve@example.com' },
    { '': 'a' },
    { Bcc: 'eve@example.com' },
    { 'content-TYPE': 'text/plain' },
    { 'auto-submitted': 'no' },
  ];
  for (const headers of bad)
    expect(() => composer.compose(request({ headers }))).toThrow(expect.objectContaining({ kind: 'invalid' }));
});

test('a mail goes to exactly one address, and a refusal does not repeat it', () => {
  const bad = [
    '',
    'ana',
    'ana@',
    '@example.com',
    'ana@example.com, eve@example.com',
    'ana@example.com;eve@example.com',
    'Ana <ana@example.com>',
    'ana@example.com\r\nBcc: eve@example.com',
    'a b@example.com',
    'group:ana@example.com',
  ];
  for (const to of bad) {
    let message = '';
    try {
      composer.compose(request({ to }));
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/no single address/);
    expect(message).not.toMatch(/eve@/);
  }
  for (const to of [
    'ana@example.com',
    "o'neil+x=y@example.com",
    '"a b"@example.com',
    'josé@example.com',
    'jane..doe@docomo.ne.jp',
    `"${'\\a'.repeat(200)}"@example.com`,
  ])
    expect(composer.compose(request({ to })).to).toBe(to);
});

test('an unknown language is English, and a regional one its language', () => {
  const languageOf = (language: string) => composer.compose(request({ language })).headers['Content-Language'];
  expect([languageOf('it'), languageOf('es-MX'), languageOf('DE'), languageOf('')]).toEqual(['en', 'es', 'de', 'en']);
});

test('an unknown template or brand is refused', () => {
  expect(() => composer.compose(request({ template: 'toString' }))).toThrow(/no mail template/);
  expect(() => composer.compose(request({ brand: 'nobody' }))).toThrow(/no brand/);
});

describe('templates of one’s own', () => {
  let folder: string;
  const folders = () => ({ templatesDir: path.join(folder, 'templates'), localesDir: path.join(folder, 'locales') });
  const template = (body: string) =>
    `<mjml><mj-head><mj-include path="./parts/head.mjml" /></mj-head><mj-body><mj-section><mj-column>${body}</mj-column></mj-section></mj-body></mjml>`;
  const addTemplate = (body: string) => writeFile(path.join(folder, 'templates/letter.mjml'), template(body));
  const addWords = async (language: string, words: string) => {
    const file = path.join(folder, `locales/mail.${language}.yaml`);
    await writeFile(file, `${await readFile(file, 'utf8')}\n${words}`);
  };
  const start = () => createComposer({ catalog, machine, ...folders() });
  const WORDS = 'letter: { subject: "For {{name}}", preview: p, hello: "Hello {{name}}" }\n';

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'hush-mail-'));
    await cp(FOLDERS.templatesDir, path.join(folder, 'templates'), { recursive: true });
    await cp(FOLDERS.localesDir, path.join(folder, 'locales'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('one MJML file and its words make a mail', async () => {
    await addTemplate(
      `<mj-text>{%= t('hello') %} &amp; <b>co</b>, <a href="{%= values.page %}">{%= values.label %}</a></mj-text><mj-raw>{% if (values.more.length) { %}</mj-raw><mj-text>{%= values.more %}</mj-text><mj-raw>{% } %}</mj-raw>`,
    );
    for (const language of catalog.languages) await addWords(language, WORDS);
    const own = await start();
    expect(own.templates.get('letter')).toEqual(['label', 'more', 'name', 'page']);
    const compose = (more: string[]) =>
      own.compose(
        request({ template: 'letter', values: { name: 'Ana', page: 'https://a.example/', label: 'here', more } }),
      );
    expect(compose([]).text).toBe('Hello Ana & co, here: https://a.example/\n');
    expect(compose(['and more']).text).toBe('Hello Ana & co, here: https://a.example/\n\nand more\n');
  });

  test('a line break in a value never reaches the subject', async () => {
    await addTemplate(`<mj-text>{%= t('hello') %}</mj-text>`);
    for (const language of catalog.languages) await addWords(language, WORDS);
    const own = await start();
    const { subject } = own.compose(
      request({ template: 'letter', values: { name: 'Ana\r\nBcc: eve@example.com\u2028\u0085x' } }),
    );
    expect(subject).toBe('For Ana Bcc: eve@example.com x');
  });

  test.each([
    ['words that no file has', `<mj-text>{%= t('nowhere') %}</mj-text>`, /lacks letter\.nowhere/],
    ['an unescaped placeholder', `<mj-text>{%- values.name %}</mj-text>`, /unescaped/],
    ['an attribute MJML does not know', `<mj-text colour="red">x</mj-text>`, /colour/],
    ['an include that is not there', `<mj-include path="./parts/nothing.mjml" />`, /mj-include/],
    ['a placeholder that is not JavaScript', `<mj-text>{%= values. %}</mj-text>`, /Correct the placeholder/],
    ['a name that nobody defines', `<mj-text>{%= nothing.at.all %}</mj-text>`, /cannot be written/],
  ])('%s stops the start, naming the template', async (_fault, body, message) => {
    await addTemplate(body);
    for (const language of catalog.languages) await addWords(language, WORDS);
    await expect(start()).rejects.toThrow(
      expect.objectContaining({ name: 'ConfigError', message: expect.stringMatching(message) }),
    );
    await expect(start()).rejects.toThrow(/letter/);
  });

  test('words that one language lacks stop the start, naming file and key', async () => {
    await addWords('en', 'more: { key: text }\n');
    await expect(start()).rejects.toThrow(/mail\.es\.yaml: lacks more\.key/);
  });

  test('a language of the catalog without a file stops the start', async () => {
    await expect(
      createComposer({ machine, catalog: { ...catalog, languages: ['en', 'it'] }, ...folders() }),
    ).rejects.toThrow(/mail\.it\.yaml/);
  });
});
