import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../../src/core/contact-point.js';
import { contactKeyFromText } from '../../../src/core/keys.js';
import { ask, mailsTo, tokenIn } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn } from './browser.js';
import { keyOf } from './people.js';

/** Every page about a person asks the same: who has to decide on it, who took it down, or has said why. */
let hush: Hush;
let agent: Console;
let supervisor: Console;
let officer: Console;
let auditor: Console;
beforeAll(async () => {
  hush = await startHush();
  agent = await signIn(hush, 'agent');
  supervisor = await signIn(hush, 'supervisor');
  officer = await signIn(hush, 'privacy_officer');
  auditor = await signIn(hush, 'auditor');
});
afterAll(() => hush?.stop());

const WHY = { reason: 'audit', note: 'sample 12' };

describe('a letter that is kept', () => {
  test('has no working link, for nobody, and its words for nobody who has not said why', async () => {
    const contact = { email: 'neighbour@example.com' };
    await hush.ask('/v1/events', { events: [{ contact, type: 'profile', source: { kind: 'api' } }] });
    const record = await ask(hush, 'access', contact.email);
    const token = tokenIn((await mailsTo(hush, contact.email)).find((mail) => /confirm that it is you/i.test(mail)));
    const letters = await hush.hush.letters.ofRequest(record.id);
    const id = letters.find(({ kind }) => kind === 'verification')?.id ?? '';
    const key = await keyOf(hush, contact);

    for (const who of [agent, supervisor, auditor]) {
      const page = await who.get(`/staff/letters/${id}`);
      expect(page.status).toBe(200);
      expect(page.text).toContain('Give your reason first');
      expect(page.text).not.toMatch(/Ana Doe|confirm that it is you/);
      expect((await who.get(`/staff/letters/${id}/pdf`)).status).toBe(403);
    }
    await auditor.post(`/staff/contacts/${key}/look`, WHY);
    for (const who of [auditor, officer]) {
      const page = await who.get(`/staff/letters/${id}`);
      expect(page.text).toContain('Ana Doe');
      expect(page.text).toContain('/rights/…');
      expect(page.text).not.toContain(token);
      const pdf = await who.get(`/staff/letters/${id}/pdf`);
      expect(pdf.status).toBe(200);
    }
    // Shown before it goes, it has none either.
    const preview = await officer.post(`/staff/requests/${record.id}/preview`, { letter: 'verification' });
    expect(preview.text).toContain('/rights/…');
    expect(preview.text).not.toMatch(/\/rights\/[\w-]{16,}/);
    // Nor has what the person wrote back, quoting our mail.
    const { rights } = hush.hush;
    await rights.answers.message(
      await rights.records.get(record.id),
      { id: 'person' },
      `I got ${hush.url}/rights/${token}`,
    );
    expect((await officer.get(`/staff/requests/${record.id}`)).text).not.toContain(token);
  });
});

describe('what came back and waits for a person', () => {
  async function held(address: string): Promise<string> {
    const point = normaliseContact({ email: address }, 'US');
    const key = contactKeyFromText(await keyOf(hush, { email: address }));
    if (!key) throw new Error('no key');
    const { id } = await hush.hush.inbound.review.hold({
      kind: 'hard',
      point,
      key,
      identity: address,
      why: 'no_proof',
      via: 'smtp',
      facts: {
        from: `Jane Roe <${address}>`,
        diagnostic: `550 5.1.1 <${address}> unknown, or call +1 (920) 555-0142`,
        subject: 'see https://hush.example/p/abcdefghijklmnopqrstuvwxyz012345',
      },
    });
    return id;
  }

  test('shows an auditor nothing before a reason, and no address in full after it', async () => {
    const address = 'jane.roe@example.com';
    const id = await held(address);
    const list = await auditor.get('/staff/review');
    expect(list.text).toContain('j•••@example.com');
    const before = await auditor.get(`/staff/review/${id}`);
    expect(before.text).toContain('Why do you need to see it?');
    for (const secret of [address, 'Jane Roe', '555-0142', 'abcdefghijklmnop'])
      expect(before.text).not.toContain(secret);
    expect((await auditor.post(`/staff/review/${id}/look`, { reason: 'audit', note: '' })).status).toBe(400);
    const after = await auditor.post(`/staff/review/${id}/look`, WHY);
    expect(after.at).toBe(`/staff/review/${id}`);
    expect(after.text).toContain('550 5.1.1');
    for (const secret of [address, '555-0142', 'abcdefghijklmnop']) expect(after.text).not.toContain(secret);
    const [look] = await hush.hush.staff.trail.list({ user: 'auditor', kind: 'look' }, 0, 1);
    expect(look).toMatchObject({ what: 'review', ...WHY });
  });

  test('is read in full by whoever decides on it, without the link', async () => {
    const address = 'joe.roe@example.com';
    const { text } = await supervisor.get(`/staff/review/${await held(address)}`);
    expect(text).toContain(address);
    expect(text).not.toContain('abcdefghijklmnop');
  });
});

test('an auditor reads who called and what was said only after a reason: calls and approvals', async () => {
  const contact = { email: 'caller@example.com' };
  const said = { callerName: 'Cara Caller', words: 'leave me alone', verification: 'account' };
  const { text } = await agent.post('/staff/call', { find: contact.email });
  const hidden = (name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1] ?? '';
  const recorded = await agent.post('/staff/call/record', {
    find: contact.email,
    contact: hidden('contact'),
    call: hidden('call'),
    wish: 'all',
    brand: '*',
    ...said,
  });
  const key = await keyOf(hush, contact);
  const lift = await agent.post(`/staff/contacts/${key}/lift`, { scope: '*/*/marketing/*', ...said });
  for (const { at } of [recorded, lift]) {
    const page = await auditor.get(at);
    expect([at, page.status]).toEqual([at, 200]);
    for (const secret of ['Cara Caller', 'leave me alone', 'c•••@example.com']) expect(page.text).not.toContain(secret);
    expect((await supervisor.get(at)).text).toContain('leave me alone');
  }
  await auditor.post(`/staff/contacts/${key}/look`, WHY);
  for (const { at } of [recorded, lift]) expect((await auditor.get(at)).text).toContain('leave me alone');
});
