import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';

/** Nobody reaches another person's preferences by changing a token, an id or a form field. */
let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const scope = OFFERS;
let count = 0;

interface Someone {
  readonly email: string;
  readonly mailed: string;
  readonly fresh: string;
  readonly undo: (receipt: string) => string;
  readonly confirm: string;
}

function someone(name: string): Someone {
  const email = `${name}${count++}@example.com`;
  const { links, clock } = hush.hush;
  const point = { type: 'email', normalised: email, given: email } as const;
  const mailed =
    new URL(links.forMail({ point, ...OFFERS, topic: '*', campaign: '' } as never).oneClickUrl).pathname.split(
      '/',
    )[2] ?? '';
  return {
    email,
    mailed,
    fresh: links.fresh(point, 'jmf', clock.now()),
    undo: (receipt) => links.undo(point, 'jmf', receipt, clock.now()),
    confirm: links.confirm(
      point,
      { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
      'NOSUCHTICKET',
      clock.now() + 60_000,
    ),
  };
}

const optOut = async (email: string): Promise<string> => {
  const { accepted } = await hush.ask<{ accepted: { receipt: string }[] }>('/v1/events', {
    events: [{ contact: { email }, type: 'opted_out', scope, source: { kind: 'api' } }],
  });
  return accepted[0]?.receipt.slice(2) ?? '';
};
const form = async (path: string, fields: Record<string, string>) => {
  const answer = await fetch(hush.url + path, {
    method: 'POST',
    body: new URLSearchParams(fields),
  });
  return { status: answer.status, html: await answer.text() };
};
/** All there is of a contact, as the record has it. */
const stateOf = async (email: string) => JSON.stringify(await hush.ask('/v1/contacts/lookup', { contact: { email } }));
const sessionIn = (html: string) => /name="session" value="([^"]+)"/.exec(html)?.[1] ?? '';
const switchesIn = (html: string) =>
  Object.fromEntries(
    [...html.matchAll(/name="(was\.[^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );

describe('with a link of her own, eve', () => {
  test('changes nothing of ana’s by any hidden field, id, session or address that is ana’s', async () => {
    const ana = someone('ana');
    const eve = someone('eve');
    const receipt = await optOut(ana.email);
    const opened = await form(`/p/${ana.fresh}`, { act: 'open' });
    const session = sessionIn(opened.html);
    expect(session).not.toBe('');
    const was = switchesIn(opened.html);
    const on = Object.fromEntries(Object.keys(was).map((name) => [name.slice(4), '1']));
    const before = await stateOf(ana.email);
    const ids = {
      contact: ana.email,
      email: ana.email,
      address: ana.email,
      token: ana.mailed,
      key: before,
      person: 'p_1',
    };
    for (const token of [eve.mailed, eve.fresh, eve.undo(receipt)]) {
      for (const act of ['stop-all', 'undo', 'open', 'save', 'fresh', 'download', '']) {
        const { status, html } = await form(`/p/${token}`, {
          act,
          ...ids,
          ...was,
          ...on,
          session,
          undo: receipt,
          pause: '30',
          from: 'page',
        });
        expect([200, 404, 410]).toContain(status);
        // Not even her address comes out.
        expect(html).not.toContain(ana.email);
      }
      await form(`/u/${token}`, { ...ids, from: 'page' });
      await form(`/confirm/${token}`, { ...ids, act: 'confirm' });
    }
    const after = JSON.parse(await stateOf(ana.email));
    expect(after.denials).toEqual(JSON.parse(before).denials);
    expect(after.grants).toEqual(JSON.parse(before).grants);
    expect(await hush.decide({ email: ana.email })).toMatchObject({ allowed: false });
  });

  test('undoes no opt-out that did not come through her own link, of ana’s or of her own', async () => {
    const ana = someone('ana');
    const eve = someone('eve');
    const { html } = await form(`/u/${ana.mailed}`, { from: 'page', 'List-Unsubscribe': 'One-Click' });
    const receipt = /[0-9A-Z]{4}(?:-[0-9A-Z]{4}){4}/.exec(html)?.[0] ?? '';
    expect(receipt).not.toBe('');
    await form(`/p/${eve.mailed}`, { act: 'undo', undo: receipt });
    expect(await hush.decide({ email: ana.email })).toMatchObject({ allowed: false });
    const own = await optOut(eve.email);
    await form(`/p/${eve.mailed}`, { act: 'undo', undo: own });
    expect(await hush.decide({ email: eve.email })).toMatchObject({ allowed: false });
    // The link through which it came does undo it: the test above is no test of a button that never works.
    await form(`/p/${ana.mailed}`, { act: 'undo', undo: receipt });
    expect(await hush.decide({ email: ana.email })).toMatchObject({ allowed: true });
  });

  test('has no session from a token of another kind, nor one of ana’s, and sees nothing unmasked', async () => {
    const ana = someone('ana');
    const eve = someone('eve');
    const session = sessionIn((await form(`/p/${ana.fresh}`, { act: 'open' })).html);
    for (const given of [session, ana.fresh, ana.mailed, eve.mailed, eve.fresh, '', 'x']) {
      const { html } = await form(`/p/${eve.mailed}`, { act: 'download', session: given });
      expect(html).not.toContain('"events"');
      expect(html).not.toContain(eve.email);
      expect(html).not.toContain(ana.email);
    }
    const download = await form(`/p/${ana.mailed}`, { act: 'download', session });
    expect(JSON.parse(download.html)).toMatchObject({ contact: { address: ana.email } });
  });

  test('opens a fresh link once, and another’s not at all', async () => {
    const ana = someone('ana');
    expect((await form(`/p/${ana.fresh}`, { act: 'open' })).status).toBe(200);
    expect((await form(`/p/${ana.fresh}`, { act: 'open' })).status).toBe(410);
    const { html } = await form(`/p/${ana.mailed}`, { act: 'open' });
    expect(html).not.toContain(ana.email);
    expect(sessionIn(html)).toBe('');
  });

  test('confirms no sign-up but the one that the mail was about', async () => {
    const ana = someone('ana');
    for (const token of [ana.mailed, ana.fresh]) expect((await form(`/confirm/${token}`, {})).status).toBe(404);
    // One of ours whose sign-up nobody knows any more.
    expect((await form(`/confirm/${ana.confirm}`, {})).status).toBe(410);
    expect(await hush.decide({ email: ana.email })).toMatchObject({ reason: 'not_objected' });
  });
});

test('a token of one kind is none of another, and parts of two tokens are none', async () => {
  const ana = someone('ana');
  const eve = someone('eve');
  const receipt = await optOut(ana.email);
  for (const token of [ana.fresh, ana.undo(receipt), ana.confirm])
    expect((await form(`/u/${token}`, {})).status).toBe(404);
  for (let at = 1; at < 40; at += 3) {
    const mixed = eve.mailed.slice(0, at) + ana.mailed.slice(at);
    if (mixed === ana.mailed || mixed === eve.mailed) continue;
    expect((await form(`/u/${mixed}`, {})).status).toBe(404);
  }
});

test('the public form says the same, to the letter, of whom we know and of whom we do not', async () => {
  const ana = someone('known');
  await optOut(ana.email);
  await hush.settle();
  for (const act of ['link', 'stop']) {
    const known = await form('/preferences', { act, address: ana.email });
    const unknown = await form('/preferences', { act, address: `nobody${count++}@example.com` });
    // What was done is sealed anew each time; its length is that of the act.
    const plain = ({ status, html }: typeof known) => ({ status, html: html.replaceAll(/did=[\w-]+/g, 'did=') });
    expect(plain(unknown)).toEqual(plain(known));
    expect(unknown.html).toHaveLength(known.html.length);
  }
});
