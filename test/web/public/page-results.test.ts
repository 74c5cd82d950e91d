import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const time = { ahead: 0 };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ machineTime: () => Date.now() + time.ahead });
});
afterAll(() => hush?.stop());

let count = 0;
async function someone(scope: object = {}) {
  const contact = { email: `result${count++}@example.com` };
  const links = await hush.ask<{ oneClickUrl: string; preferencesUrl: string }>('/v1/links', {
    contact,
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
    ...scope,
  });
  const { pathname: oneClick } = new URL(links.oneClickUrl);
  const { pathname: page } = new URL(links.preferencesUrl);
  const { point } = hush.hush.links.read(page.split('/').at(-1) ?? '', Date.now()) ?? {};
  if (!point) throw new Error('the link does not open');
  return { contact, point, oneClick, page };
}
const now = () => hush.hush.clock.now();
const fresh = ({ point }: Awaited<ReturnType<typeof someone>>) => `/p/${hush.hush.links.fresh(point, 'jmf', now())}`;

/** Presses a button: the answer is a 303 to a page of ours, and that page. */
async function press(to: string, fields: Record<string, string>) {
  const posted = await fetch(hush.url + to, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
  expect([to, fields, posted.status]).toEqual([to, fields, 303]);
  const location = posted.headers.get('location') ?? '';
  expect(location.startsWith('/')).toBe(true);
  return { location, ...(await look(location)) };
}
async function look(to: string) {
  const answer = await fetch(hush.url + to);
  return { status: answer.status, html: await answer.text() };
}
const receiptsIn = (html: string) => [...html.matchAll(/class="num">([0-9A-Z-]{24})</g)].map(([, id]) => id);
const fieldIn = (html: string, name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(html)?.[1] ?? '';

test.each([
  ['en', 'Stop marketing', 'No more marketing by email'],
  ['es', 'No más publicidad', 'No más publicidad'],
  ['fr', 'Arrêter la publicité', 'arrêté la publicité'],
  ['de', 'Keine Werbung mehr', 'Keine Werbung mehr von JM Facets per E-Mail'],
])('a link for all marketing says marketing, not offers (%s)', async (language, button, done) => {
  // A message about the account cannot be refused by itself: its link stops marketing.
  const who = await someone({ purpose: 'service' });
  expect((await look(`${who.oneClick}?lang=${language}`)).html).toContain(button);
  const { html } = await press(`${who.oneClick}?lang=${language}`, { from: 'page' });
  expect(html).toContain(done);
  expect(await hush.decide(who.contact, 'research')).toMatchObject({ allowed: false });
});

describe('what denies counts though the link has expired', () => {
  test('“stop all marketing” on the page of a fresh link after its half hour, opened or not', async () => {
    for (const open of [true, false]) {
      const who = await someone();
      const link = fresh(who);
      const { html } = open ? await press(link, { act: 'open' }) : await look(link);
      const session = fieldIn(html, 'session');
      time.ahead += 31 * MINUTE;
      const { html: after } = await press(link, { act: 'stop-all', session });
      expect(after).toContain('All marketing is stopped');
      expect(await hush.decide(who.contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    }
  });

  test('a switch turned off on it counts, one turned on does not, and the page says so', async () => {
    const who = await someone();
    const source = { kind: 'phone' };
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'tips' };
    await hush.ask('/v1/events', { events: [{ contact: who.contact, type: 'opted_out', scope, source }] });
    const link = fresh(who);
    const session = fieldIn((await press(link, { act: 'open' })).html, 'session');
    time.ahead += 31 * MINUTE;
    const { html } = await press(link, {
      act: 'save',
      session,
      'was.t.email.news': '1',
      'was.t.email.tips': '0',
      't.email.tips': '1',
    });
    expect(await hush.decide(who.contact, 'promotion', { topic: 'news' })).toMatchObject({ reason: 'opted_out' });
    expect(await hush.decide(who.contact, 'promotion', { topic: 'tips' })).toMatchObject({ reason: 'opted_out' });
    expect(html).toContain('Your 30 minutes are over');
  });

  test('the page says “expired” or “used”, and sends a new link in one press', async () => {
    const over = await someone();
    const used = await someone();
    const [first, second] = [fresh(over), fresh(used)];
    await press(second, { act: 'open' });
    expect((await look(second)).html).toContain('This link was used already');
    time.ahead += 31 * MINUTE;
    for (const [who, link] of [
      [over, first],
      [used, second],
    ] as const) {
      const { status, html } = await look(link);
      expect(status).toBe(410);
      expect(html).toContain('This link has expired');
      expect(html).not.toContain('may be damaged');
      expect(html).not.toContain(who.contact.email);
      expect((await press(link, { act: 'fresh' })).html).toContain('a link is on its way');
      const mail = await until(async () =>
        (await hush.hush.stores.mailbox.list()).find(({ to }) => to === who.contact.email),
      );
      expect(mail.subject).toContain('Your link');
    }
    // Nothing is lifted by one that has expired.
    expect((await press(first, { act: 'open' })).html).toContain('This link has expired');
  });

  test('an undo link after its month: “stop all” counts, the undo does not', async () => {
    const who = await someone();
    const { page } = who;
    const { html } = await press(page, { act: 'stop-all' });
    const undo = `/p/${hush.hush.links.undo(who.point, 'jmf', receiptsIn(html)[0] ?? '', now())}`;
    time.ahead += 31 * DAY;
    expect((await look(undo)).html).toContain('This link has expired');
    expect((await press(undo, { act: 'undo' })).html).toContain('This link has expired');
    expect(await hush.decide(who.contact)).toMatchObject({ allowed: false });
  });

  test('one-click on a confirmation whose week is over is an opt-out too', async () => {
    const who = await someone();
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' } as const;
    const token = hush.hush.links.confirm(who.point, scope, 'AAAA', now() + MINUTE);
    time.ahead += 2 * MINUTE;
    const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' });
    expect((await fetch(`${hush.url}/confirm/${token}`, { method: 'POST', body })).status).toBe(200);
    expect(await hush.decide(who.contact)).toMatchObject({ reason: 'opted_out' });
    const { status, html } = await look(`/confirm/${token}`);
    expect([status, html.includes('has expired')]).toEqual([410, true]);
  });
});

describe('a POST leads to a page that may be loaded again', () => {
  test('reload shows the same receipt and records nothing; another language says the same', async () => {
    const who = await someone();
    const { location, html } = await press(who.oneClick, { from: 'page', 'List-Unsubscribe': 'One-Click' });
    const [receipt] = receiptsIn(html);
    expect(html).toContain('You will get no more offers');
    for (const to of [location, location, location.replace('lang=en', 'lang=es')]) {
      expect(receiptsIn((await look(to)).html)).toEqual([receipt]);
    }
    expect((await hush.decide(who.contact)).receipt).toBe(`r_${receipt}`);
    const saved = await press(who.page, { act: 'save', pause: '30' });
    const again = await look(saved.location.replace('lang=en', 'lang=es'));
    expect(receiptsIn(again.html)).toEqual(receiptsIn(saved.html));
    expect(again.html).toContain('En pausa hasta el');
  });

  test('what an act came to opens with its own link only, for half an hour', async () => {
    const [who, other] = [await someone(), await someone()];
    const { location } = await press(who.page, { act: 'stop-all' });
    const did = new URL(location, hush.url).searchParams.get('did') ?? '';
    for (const to of [`${other.page}?did=${did}`, `/preferences?did=${did}`, `${who.page}?did=${did.slice(0, -4)}AAAA`])
      expect((await look(to)).html).not.toContain('All marketing is stopped');
    time.ahead += 31 * MINUTE;
    expect((await look(location)).html).not.toContain('All marketing is stopped.');
    expect(location).not.toContain('example.com');
  });

  test('after “stop” was taken back in another window, its page asks again', async () => {
    const who = await someone();
    const stopped = await press(who.oneClick, { from: 'page' });
    await press(who.page.replace('/p/', '/p/'), { act: 'undo', undo: fieldIn(stopped.html, 'undo') });
    expect(await hush.decide(who.contact)).toMatchObject({ allowed: true });
    expect((await look(stopped.location)).html).not.toContain('You will get no more');
  });

  test('a fresh page keeps its session on reload, in another language, and after each act', async () => {
    const who = await someone();
    const { location, html } = await press(fresh(who), { act: 'open' });
    expect(html).toContain(who.contact.email);
    const spanish = /href="(\?[^"]*lang=es[^"]*)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    for (const to of [location, location.split('?')[0] + spanish]) {
      const again = await look(to);
      expect(again.html).toContain(who.contact.email);
      expect(fieldIn(again.html, 'session')).not.toBe('');
    }
    const saved = await press(location.split('?')[0] ?? '', {
      act: 'save',
      session: fieldIn(html, 'session'),
      'was.t.email.news': '1',
    });
    expect(saved.html).toContain('Saved.');
    expect((await look(saved.location)).html).toContain(who.contact.email);
  });

  test('the form without a link says what was done, the same for everybody', async () => {
    for (const [act, words] of [
      ['stop', 'is stopped now'],
      ['send', 'your link is on its way'],
    ] as const) {
      const { location, html } = await press('/preferences', { act, address: `${act}@example.com` });
      expect(html).toContain(words);
      expect((await look(location)).html).toBe(html);
      expect(location).not.toContain('example.com');
    }
    expect((await look('/preferences?did=stop')).html).not.toContain('is stopped now');
  });
});

describe('who said no already reads since when, instead of another receipt', () => {
  test('on the link and after its button, by the first no; every post stays in the ledger', async () => {
    const who = await someone();
    const { html } = await press(who.oneClick, { from: 'page' });
    const [first] = receiptsIn(html);
    const on = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(now());
    time.ahead += 3 * DAY;
    await hush.settle();
    const shown = await look(who.oneClick);
    expect(shown.html).toContain(`Already stopped since ${on}`);
    expect(shown.html).not.toContain('We stopped it now');
    expect(receiptsIn(shown.html)).toEqual([first]);
    // A window that was left open: the page still has its button.
    const again = await press(who.oneClick, { from: 'page' });
    expect(again.html).toContain(`Already stopped since ${on}`);
    expect(receiptsIn(again.html)).toEqual([first]);
    const { receipt } = await hush.decide(who.contact);
    expect(receipt).not.toBe(`r_${first}`);
  });

  test('“stop all” twice, and a page that knows that all is stopped', async () => {
    const who = await someone();
    const [first] = receiptsIn((await press(who.page, { act: 'stop-all' })).html);
    expect((await look(who.page)).html).toContain('Already stopped since');
    const second = await press(who.page, { act: 'stop-all' });
    expect(second.html).toContain('was already stopped');
    expect(receiptsIn(second.html)).toEqual([first]);
  });

  test('a narrower no, a pause or a part that is on again leaves the button', async () => {
    const who = await someone();
    await press(who.page, { act: 'save', pause: '30' });
    expect((await look(who.oneClick)).html).toContain('Stop offers');
    await press(who.page, { act: 'save', 'was.t.email.news': '1' });
    expect((await look(who.oneClick)).html).toContain('Stop offers');
    const part = await someone();
    await press(part.oneClick, { from: 'page' });
    const session = fieldIn((await press(fresh(part), { act: 'open' })).html, 'session');
    await press(part.page, { act: 'save', session, 'was.t.email.news': '0', 't.email.news': '1' });
    expect(await hush.decide(part.contact, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
    expect((await look(part.oneClick)).html).toContain('Stop offers');
  });
});

describe('a pause', () => {
  test('shows what is chosen under it, says how “Saved” goes with it, and ends in one press of its own link', async () => {
    const who = await someone();
    await press(who.page, { act: 'save', 'was.t.email.tips': '1' });
    const paused = await press(who.page, { act: 'save', pause: '60' });
    const isOn = (html: string, name: string) => new RegExp(`name="${name}" value="1" checked`).test(html);
    expect([isOn(paused.html, 't.email.news'), isOn(paused.html, 't.email.tips')]).toEqual([true, false]);
    const saved = await press(who.page, { act: 'save', 'was.c.email.news': 'every', 'c.email.news': 'weekly' });
    expect(saved.html).toContain('It applies when the pause ends');
    // Twice from one link: the state knows only the later of the two.
    await press(who.page, { act: 'save', pause: '90' });
    const other = await someone();
    expect(other.contact).not.toEqual(who.contact);
    const resumed = await press(who.page, { act: 'resume' });
    expect(resumed.html).toContain('The pause has ended');
    expect(resumed.html).not.toContain('Everything is paused');
    expect(await hush.decide(who.contact, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
    expect(await hush.decide(who.contact, 'promotion', { topic: 'tips' })).toMatchObject({ reason: 'opted_out' });
  });

  test('of somebody else stands until a fresh link ends it; what is switched on meanwhile waits for its end', async () => {
    const who = await someone();
    const untilTime = new Date(now() + 30 * DAY).toISOString();
    await hush.ask('/v1/events', {
      events: [
        { contact: who.contact, type: 'opted_out', scope: { purpose: 'events' }, source: { kind: 'phone' } },
        {
          contact: who.contact,
          type: 'paused',
          scope: { purpose: 'marketing' },
          until: untilTime,
          source: { kind: 'phone' },
        },
        {
          contact: who.contact,
          type: 'opted_out',
          scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'tips' },
          source: { kind: 'phone' },
        },
      ],
    });
    const refused = await press(who.page, { act: 'resume' });
    expect(refused.html).toContain('Still paused until');
    expect(await hush.decide(who.contact)).toMatchObject({ reason: 'paused' });
    const link = fresh(who);
    const session = fieldIn((await press(link, { act: 'open' })).html, 'session');
    await press(link, { act: 'save', session, 'was.t.email.tips': '0', 't.email.tips': '1' });
    expect(await hush.decide(who.contact, 'promotion', { topic: 'tips' })).toMatchObject({ reason: 'paused' });
    expect((await press(link, { act: 'resume', session })).html).toContain('The pause has ended');
    expect(await hush.decide(who.contact, 'promotion', { topic: 'tips' })).toMatchObject({ allowed: true });
    expect(await hush.decide(who.contact, 'events')).toMatchObject({ reason: 'opted_out' });
  });
});

describe('double opt-in', () => {
  const start = (contact: object, topic: string) =>
    hush.ask('/v1/consents', {
      contact,
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
      topic,
      notice: { id: 'newsletter', version: '1', language: 'en' },
      mode: 'double_opt_in',
    });
  async function confirmations(email: string, wanted: number): Promise<string[]> {
    const mails = await until(async () => {
      const found = (await hush.hush.stores.mailbox.list()).filter(({ to }) => to === email);
      return found.length >= wanted ? found : undefined;
    });
    return Promise.all(
      mails.map(async ({ id }) => {
        const { text } = await simpleParser((await hush.hush.stores.mailbox.get(id))?.raw ?? Buffer.alloc(0));
        return /https?:\/\/\S+(\/confirm\/[^\s?]+)/.exec(text ?? '')?.[1] ?? '';
      }),
    );
  }

  test('a second start the same day for another topic is mailed, the same one again is not', async () => {
    const { contact } = await someone();
    await start(contact, 'news');
    await start(contact, 'news');
    await start(contact, 'tips');
    expect(new Set(await confirmations(contact.email, 2)).size).toBe(2);
    expect((await hush.hush.stores.mailbox.list()).filter(({ to }) => to === contact.email)).toHaveLength(2);
  });

  test('the page shows the text agreed to; after a no it says when, and starts again in one press', async () => {
    const who = await someone();
    await start(who.contact, 'news');
    const [to = ''] = await confirmations(who.contact.email, 1);
    expect((await look(to)).html).toContain('Yes, send me offers and news by email.');
    time.ahead += MINUTE;
    await press(who.page, { act: 'stop-all' });
    const { status, html } = await look(to);
    expect([status, html.includes('You stopped this on')]).toEqual([409, true]);
    expect((await press(to, { act: 'confirm' })).status).toBe(409);
    time.ahead += MINUTE;
    expect((await press(to, { act: 'again' })).html).toContain('a new email to confirm is on its way');
    expect(await hush.decide(who.contact, 'promotion', { topic: 'news' })).toMatchObject({ reason: 'opted_out' });
    const all = await confirmations(who.contact.email, 2);
    const next = all.find((one) => one !== to) ?? '';
    const done = await press(next, { act: 'confirm' });
    expect(done.html).toContain('Confirmed.');
    expect(receiptsIn((await look(done.location)).html)).toEqual(receiptsIn(done.html));
    expect(await hush.decide(who.contact, 'promotion', { topic: 'news' })).toMatchObject({ reason: 'consented' });
  });
});

describe('an opt-out signal of the browser and a deliberate yes', () => {
  const SIGNAL = { 'sec-gpc': '1' };
  const ADS = { brand: 'jmf', channel: 'ads' };
  const lookAt = async (to: string, headers: Record<string, string> = {}) =>
    (await fetch(hush.url + to, { headers })).text();
  /** Opens a fresh link in a browser that sends the signal, and allows ads on other sites there. */
  async function allowed() {
    const who = await someone();
    const link = fresh(who);
    const opened = await press(link, { act: 'open' });
    const shown = await lookAt(opened.location, SIGNAL);
    expect(shown).toContain('Opt-out signal honoured');
    expect((await hush.decide(who.contact, 'retargeting', ADS)).reason).toBe('gpc');
    time.ahead += MINUTE;
    const session = fieldIn(shown, 'session');
    const row = /name="([\w.]*retargeting)" value="1"/.exec(shown)?.[1] ?? '';
    const { location } = await press(link, { act: 'save', session, [`was.${row}`]: '0', [row]: '1' });
    time.ahead += MINUTE;
    return { ...who, session, location, link };
  }

  test('the yes stands when the signal comes again; the page shows both and asks', async () => {
    const who = await allowed();
    for (const to of [who.location, who.page]) {
      const html = await lookAt(to, SIGNAL);
      expect(html).toContain('Your browser and your choice do not match');
      expect(html).toMatch(/<li>ads on other sites<\/li>/);
      expect(html).not.toContain('and we do not');
      expect((await hush.decide(who.contact, 'retargeting', ADS)).allowed).toBe(true);
    }
    // A browser that sends none has no conflict; what the first signal stopped besides is said, and no more.
    const html = await lookAt(who.page);
    expect(html).not.toContain('do not match');
    expect(html).toContain('Opt-out signal honoured, except for what you allowed yourself on');
    expect((await hush.decide(who.contact, 'lookalike_seed', ADS)).reason).toBe('gpc');
  });

  test('“leave it on” is asked for once and never again', async () => {
    const who = await allowed();
    const { html, location } = await press(who.page, { act: 'signal-keep' });
    expect(html).toContain('we will not ask again');
    for (const to of [location, who.page, who.location]) {
      expect(await lookAt(to, SIGNAL)).not.toContain('do not match');
      expect((await hush.decide(who.contact, 'retargeting', ADS)).allowed).toBe(true);
    }
  });

  test('“turn it off” confirms the signal, on any link, with a receipt', async () => {
    const who = await allowed();
    const { html } = await press(who.page, { act: 'signal-follow' });
    expect(html).toContain('The signal of your browser counts');
    expect(receiptsIn(html)).toHaveLength(1);
    expect((await hush.decide(who.contact, 'retargeting', ADS)).reason).toBe('gpc');
    expect(await lookAt(who.page, SIGNAL)).toContain('you had allowed this yourself');
  });

  test('a yes that nobody gave after a signal is met by it: it counts, and the page says what it ended', async () => {
    const who = await someone();
    await hush.ask('/v1/events', {
      events: [
        {
          contact: who.contact,
          type: 'consent_granted',
          scope: { purpose: 'retargeting' },
          source: { kind: 'form', evidence: { wording: 'Show me ads' } },
          notice: { id: 'newsletter', version: '1' },
          at: new Date(now() - DAY).toISOString(),
        },
      ],
    });
    const html = await lookAt(who.page, SIGNAL);
    expect(html).toContain('you had allowed this yourself');
    expect((await hush.decide(who.contact, 'retargeting', ADS)).reason).toBe('gpc');
  });
});

describe('why somebody stopped', () => {
  const didIn = (html: string) => fieldIn(html, 'did');
  const counts = async () => {
    const rows = await hush.hush.stores.statistics.since('2020-01-01');
    const sum: Record<string, number> = {};
    for (const { reasons } of rows)
      for (const [reason, where] of Object.entries(reasons))
        for (const [name, count] of Object.entries(where))
          sum[`${reason} ${name}`] = (sum[`${reason} ${name}`] ?? 0) + count;
    return sum;
  };

  test('is asked after the act alone, answered by one press, counted once, and thanked for', async () => {
    const who = await someone();
    expect((await look(who.oneClick)).html).not.toContain('May we ask why');
    const stopped = await press(who.oneClick, { from: 'page', 'List-Unsubscribe': 'One-Click' });
    expect(stopped.html).toContain('May we ask why');
    const before = (await counts())['too-many jmf email'] ?? 0;
    const answer = { act: 'why', why: 'too-many', did: didIn(stopped.html) };
    const thanked = await press(who.page, answer);
    expect(thanked.location).toMatch(/^\/u\//);
    expect(thanked.html).toContain('Your answer was counted');
    // What can be done besides is there still, and the question is not.
    expect(thanked.html).toContain('value="undo"');
    expect(thanked.html).not.toContain('May we ask why');
    // Back, and pressed again, also for another answer.
    for (const why of ['too-many', 'other'])
      expect((await press(who.page, { ...answer, why })).html).toContain('counted');
    expect(await counts()).toMatchObject({ 'too-many jmf email': before + 1 });
    expect(await counts()).not.toHaveProperty(['other jmf email']);
    expect(await hush.decide(who.contact)).toMatchObject({ allowed: false });
  });

  test('after “stop all marketing” too, for every channel; not where all was stopped before', async () => {
    const who = await someone();
    const { html } = await press(who.page, { act: 'stop-all' });
    const { html: thanked } = await press(who.page, { act: 'why', why: 'other', did: didIn(html) });
    expect(thanked).toContain('All marketing is stopped');
    expect(thanked).toContain('Your answer was counted');
    expect(await counts()).toHaveProperty(['other jmf *'], 1);
    time.ahead += MINUTE;
    expect((await press(who.page, { act: 'stop-all' })).html).not.toContain('May we ask why');
  });

  test('nothing is counted for a stop that is another’s, forged, over, or for an answer that is none', async () => {
    const [one, other] = [await someone(), await someone()];
    const did = didIn((await press(one.oneClick, { from: 'page', 'List-Unsubscribe': 'One-Click' })).html);
    const before = await counts();
    await press(other.page, { act: 'why', why: 'too-many', did });
    await press(one.page, { act: 'why', why: 'nothing.$where', did });
    await press(one.page, { act: 'why', why: 'too-many', did: `${did.slice(0, -4)}AAAA` });
    await press(one.page, { act: 'why', why: 'too-many' });
    time.ahead += 31 * MINUTE;
    await press(one.page, { act: 'why', why: 'too-many', did });
    expect(await counts()).toEqual(before);
  });

  test('what is kept names nobody', async () => {
    const who = await someone();
    const { html } = await press(who.oneClick, { from: 'page', 'List-Unsubscribe': 'One-Click' });
    const lines = hush.logged.length;
    await press(who.page, { act: 'why', why: 'never-asked', did: didIn(html) });
    const [receipt = ''] = receiptsIn(html);
    const kept = JSON.stringify(await hush.hush.stores.statistics.since('2020-01-01'));
    expect(kept).toContain('never-asked');
    const { contact } = await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: who.contact });
    for (const trace of [who.contact.email, receipt, contact]) {
      expect(kept).not.toContain(trace);
      expect(hush.logged.slice(lines).join('')).not.toContain(`${trace}`);
    }
    expect(hush.logged.slice(lines).join('')).not.toContain('never-asked');
  });
});
