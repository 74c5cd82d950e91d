import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mailsTo } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';

/** Pages and mails in each language of the catalog, whole; and the language that a person chose. */
const OTHERS = ['es', 'fr', 'de'] as const;
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ env: { HUSH_ROLE: 'web' } });
});
afterAll(() => hush?.stop());

let count = 0;
const someone = () => ({ email: `sprache${count++}@example.com` });
async function linksOf(contact: object, scope: object = {}) {
  const links = await hush.ask<{ oneClickUrl: string; preferencesUrl: string }>('/v1/links', {
    contact,
    ...OFFERS,
    ...scope,
  });
  return { oneClick: new URL(links.oneClickUrl).pathname, page: new URL(links.preferencesUrl).pathname };
}
const linkOf = (page: string) => {
  const link = hush.hush.links.read(page.split('/').at(-1) ?? '', Date.now());
  if (!link) throw new Error('the link does not open');
  return link;
};
const pointOf = (page: string) => linkOf(page).point;
async function look(to: string, headers: Record<string, string> = {}) {
  const answer = await fetch(hush.url + to, { headers });
  return { status: answer.status, html: await answer.text() };
}
/** What a press leads to; an error page where the form is refused. */
async function press(to: string, fields: Record<string, string>) {
  const answer = await fetch(hush.url + to, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
  const location = answer.headers.get('location');
  return location === null ? { status: answer.status, html: await answer.text() } : look(location);
}

/** Words that are English and nothing else. */
const ENGLISH = /\b(the|you|your|with|this|that|please|have|has been|and|from|will|what)\b/i;
function englishIn(html: string): string[] {
  const [, body = ''] = html.split('<body>');
  const shown = body
    .replace(/<a [^>]*hreflang[\s\S]*?<\/a>/g, ' ')
    .replace(/<option[^>]*lang=[\s\S]*?<\/option>/g, ' ');
  const texts = [...shown.matchAll(/>([^<]+)</g), ...shown.matchAll(/(?:aria-label|title|placeholder)="([^"]*)"/g)];
  return texts.map(([, text = '']) => text.trim()).filter((text) => ENGLISH.test(text));
}

test('English is told from the others', async () => {
  expect(englishIn((await look('/preferences?lang=en')).html).length).toBeGreaterThan(4);
});

describe.each(OTHERS)('in %s', (language) => {
  const lang = `?lang=${language}`;
  const expectWhole = ({ html }: { html: string }) => {
    expect(html).toContain(`<html lang="${language}"`);
    expect(html).not.toMatch(/\{\{|undefined|\[object|>\w+\.\w+\.\w+</);
    expect(englishIn(html)).toEqual([]);
    if (language === 'fr') expect(html.match(/[\p{L}»] [?!:;»](?= |<)/u)).toBeNull();
    expect(Buffer.byteLength(html)).toBeLessThan(25_000);
  };

  test('no page of a link shows an English sentence, whatever was done', async () => {
    const contact = someone();
    const { oneClick, page } = await linksOf(contact);
    expectWhole(await look(oneClick + lang));
    const stopped = await press(oneClick + lang, { from: 'page', 'List-Unsubscribe': 'One-Click' });
    expectWhole(stopped);
    const did = /name="did" value="([^"]+)"/.exec(stopped.html)?.[1] ?? '';
    expectWhole(await press(page + lang, { act: 'why', why: 'other', did }));
    expectWhole(await look(oneClick + lang));
    for (const purpose of ['retargeting', 'lookalike_seed', 'lookalike_target', 'profiling']) {
      const use = await linksOf(someone(), { channel: 'ads', purpose });
      expectWhole(await look(use.oneClick + lang));
      expectWhole(await press(use.oneClick + lang, { from: 'page', 'List-Unsubscribe': 'One-Click' }));
      expectWhole(await look(use.oneClick + lang));
    }
    for (const channel of ['sms', 'mail', 'push', 'web']) {
      const { oneClick: other } = await linksOf(someone(), { channel });
      expectWhole(await press(other + lang, { from: 'page', 'List-Unsubscribe': 'One-Click' }));
    }
    expectWhole(await look(page + lang, { 'sec-gpc': '1' }));
    expectWhole(await press(page + lang, { act: 'save' }));
    expectWhole(await press(page + lang, { act: 'save', 'was.t.email.tips': '1', pause: '30' }));
    expectWhole(await press(page + lang, { act: 'save', 'was.t.email.tips': '0', 't.email.tips': '1' }));
    expectWhole(await press(page + lang, { act: 'resume' }));
    expectWhole(await press(page + lang, { act: 'fresh' }));
    expectWhole(await press(page + lang, { act: 'stop-all' }));
    expectWhole(await press(page + lang, { act: 'undo', undo: 'no such' }));
    expectWhole(await look(page + lang));
    const { links } = hush.hush;
    const fresh = `/p/${links.fresh(pointOf(page), 'jmf', Date.now())}`;
    expectWhole(await look(fresh + lang));
    expectWhole(await press(fresh + lang, { act: 'open' }));
    expectWhole(await look(fresh + lang));
    const over = await look(`/p/${links.fresh(pointOf(page), 'jmf', Date.now() - 86_400_000)}${lang}`);
    expect(over.status).toBe(410);
    expectWhole(over);
    const undo = `/p/${links.undo(pointOf(page), 'jmf', 'AAAA-AAAA-AAAA-AAAA-AAAA' as never, Date.now())}`;
    expectWhole(await look(undo + lang));
    expectWhole(await press(undo + lang, { act: 'undo' }));
    const confirm = (expires: number) =>
      links.confirm(pointOf(page), { ...OFFERS, topic: '*' } as never, 'none', expires);
    expectWhole(await look(`/confirm/${confirm(Date.now() + 60_000)}${lang}`));
  });

  test('no other page does, nor any error', async () => {
    expectWhole(await look(`/preferences${lang}`));
    expectWhole(await press(`/preferences${lang}`, { act: 'send', address: 'nobody' }));
    expectWhole(await press(`/preferences${lang}`, { act: 'send', address: someone().email }));
    expectWhole(await press(`/preferences${lang}`, { act: 'stop', address: someone().email }));
    expectWhole(await press(`/preferences${lang}`, { act: 'stop', address: '+1 608 555 0143' }));
    expectWhole(await look(`/u/forged${lang}`));
    expectWhole(await look(`/nowhere${lang}`));
    expectWhole(await look(`/rights${lang}`));
    expectWhole(await press(`/rights${lang}`, { kind: '', address: 'nobody', who: 'agent' }));
  });

  test('a sign-up is asked, confirmed and refused in it', async () => {
    const contact = someone();
    await hush.ask('/v1/consents', {
      contact,
      ...OFFERS,
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1', language },
    });
    const [mail = ''] = await mailsTo(hush, contact.email);
    expect(mail).toContain(`Content-Language: ${language}`);
    const confirm = /\/confirm\/[\w-]+/.exec(mail)?.[0] ?? '';
    expectWhole(await look(confirm + lang));
    expectWhole(await press(confirm + lang, { act: 'confirm' }));
  });
});

describe('the language that a person chose on their own page', () => {
  const choose = async (page: string, language: string) =>
    press(`${page}?lang=en`, { act: 'save', language, 'was.language': 'en' });

  test('is stored with a receipt, shown from then on, and the answer speaks it', async () => {
    const contact = someone();
    const { page } = await linksOf(contact);
    expect((await look(`${page}?lang=fr`)).html).toMatch(/<option value="fr" lang="fr" selected>/);
    const { html } = await choose(page, 'de');
    expect(html).toContain('<html lang="de"');
    expect(html).toContain('Gespeichert.');
    expect(await hush.ask('/v1/contacts/lookup', { contact })).toMatchObject({ facts: { language: 'de' } });
    // Opened in another language later, saving something else changes nothing of it.
    const later = (await look(`${page}?lang=en`)).html;
    expect(later).toMatch(/<option value="de" lang="de" selected>/);
    expect(later).toContain('name="was.language" value="de"');
    await press(`${page}?lang=en`, { act: 'save', language: 'de', 'was.language': 'de', 'was.t.email.tips': '1' });
    expect(await hush.ask('/v1/contacts/lookup', { contact })).toMatchObject({ facts: { language: 'de' } });
  });

  test('is not changed by looking, by a language that we do not speak, or by a form without it', async () => {
    const contact = someone();
    const { page } = await linksOf(contact);
    await look(`${page}?lang=de`);
    await press(page, { act: 'save', language: 'xx', 'was.language': 'en' });
    await press(page, { act: 'save', 'was.t.email.tips': '1' });
    const { facts } = await hush.ask<{ facts: object }>('/v1/contacts/lookup', { contact });
    expect(facts).not.toHaveProperty('language');
  });

  test('every mail is in it, whatever the page, the key or the agent speaks', async () => {
    const contact = someone();
    const { page } = await linksOf(contact);
    await choose(page, 'de');
    await press('/preferences?lang=en', { act: 'send', address: contact.email });
    await press(`${page}?lang=fr`, { act: 'fresh' });
    await press('/preferences?lang=es', { act: 'stop', address: contact.email });
    await hush.ask('/v1/consents', {
      contact,
      ...OFFERS,
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1', language: 'en' },
    });
    const request = await hush.hush.rights.intake.receive(
      { kind: 'access', way: 'form', contacts: [{ point: pointOf(page) }], language: 'en', name: 'Ana' },
      { id: 'person' },
    );
    await hush.hush.rights.post.flushQuietly(request);
    const letter = await hush.hush.rights.post.letterOf(request, { kind: 'acknowledgement' });
    expect(letter).toMatchObject({ language: 'de', link: expect.stringContaining('?lang=de') });
    const mails = await mailsTo(hush, contact.email);
    expect(mails.length).toBeGreaterThanOrEqual(4);
    for (const mail of mails) {
      expect(mail).toContain('Content-Language: de');
      const links = [...mail.matchAll(/[?&]lang=(\w+)/g)].map(([, code]) => code);
      expect(new Set(links)).toEqual(new Set(['de']));
    }
  });

  test('is forgotten with the person, and is not what anybody else is written to in', async () => {
    const contact = someone();
    const { page } = await linksOf(contact);
    await choose(page, 'de');
    const asked = linkOf(page);
    expect(await hush.hush.languageOf([asked], 'es')).toBe('de');
    const other = linkOf((await linksOf(someone())).page);
    expect(await hush.hush.languageOf([other], 'es')).toBe('es');
    await hush.ask('/v1/events', { events: [{ contact, type: 'erased', source: { kind: 'api' } }] });
    expect(await hush.hush.languageOf([asked], 'es')).toBe('es');
  });
});
