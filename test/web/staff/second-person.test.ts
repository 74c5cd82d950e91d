import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { referenceOf } from '../../../src/rights/requests/reference.js';
import { ask, OFFICER } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn } from './browser.js';
import { keyOf, makeCustomer } from './people.js';

/** An erasure where policy asks for a second person. */
let hush: Hush;
let officer: Console;
let second: Console;
beforeAll(async () => {
  hush = await startHush({ changePolicy: (policy) => Object.assign(policy, { secondPerson: { erasures: true } }) });
  officer = await signIn(hush, 'privacy_officer');
  second = await signIn(hush, 'supervisor');
});
afterAll(() => hush?.stop());

/** A deletion that was verified for the email address, and names the phone too. */
async function deletion(name: string) {
  const person = await makeCustomer(hush, name);
  await hush.settle();
  const request = await ask(hush, 'deletion', person.email.email);
  const verified = await hush.hush.rights.verification.byKnowledge(request, OFFICER, {
    checks: ['name_and_address', 'policy_number', 'shipment'],
    note: 'asked three things',
    contacts: request.contacts.map(({ key }) => key),
  });
  return { person, record: verified, at: `/staff/requests/${verified.id}` };
}
const isErased = async (contact: object) => (await hush.decide(contact)).reason === 'erased';

test('the page shows what would be erased and who is asked to forget; asking for it erases nothing', async () => {
  const { person, at } = await deletion('Ada');
  const page = await officer.get(at);
  expect(page.text).toContain('What will be erased');
  expect(page.text).toMatch(/<b>a•••@example.com<\/b>: the address, and the details of 4 entries of its history/);
  expect(page.text).toMatch(
    /Who is asked to forget first<\/h3><ul class="plainlist"><li><b>file<\/b>: a•••@example.com/,
  );
  expect(page.text).toContain('Ask for approval to erase');
  const asked = await officer.post(`${at}/erase`, {});
  expect(asked.text).toContain('Waiting for a second person. Nothing has been erased yet.');
  expect(asked.text).not.toContain('Ask for approval to erase');
  await hush.settle();
  expect(await isErased(person.email)).toBe(false);
  expect((await officer.post(`${at}/erase`, {})).status).toBe(409);
});

test('nobody approves their own; another sees the same and begins it, once', async () => {
  const { person, record, at } = await deletion('Bea');
  const page = await officer.post(`${at}/erase`, {});
  const approval = /\/staff\/approvals\/([0-9a-z]{16})/.exec(page.text)?.[1] ?? '';
  expect((await officer.post(`/staff/erasures/${approval}/decide`, { decision: 'confirm' })).status).toBe(403);
  const shown = await second.get(`/staff/approvals/${approval}`);
  expect(shown.text).toContain(`Request ${referenceOf(record.id)}`);
  expect(shown.text).toContain('b•••@example.com');
  expect(shown.text).toContain('details of 4 entries');
  const agent = await signIn(hush, 'agent');
  expect((await agent.post(`/staff/erasures/${approval}/decide`, { decision: 'confirm' })).status).toBe(403);
  const answers = await Promise.all(
    [second, await signIn(hush, 'supervisor-2')].map((who) =>
      who.post(`/staff/erasures/${approval}/decide`, { decision: 'confirm' }),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  await hush.settle();
  expect(await isErased(person.email)).toBe(true);
  const [change] = await hush.hush.staff.trail.list({ contact: record.contacts[0]?.key, kind: 'change' }, 0, 1);
  expect(change).toMatchObject({ what: 'erasure_confirmed' });
});

test('refused with a reason it stays undone, and can be asked for again', async () => {
  const { person, at } = await deletion('Cid');
  const page = await officer.post(`${at}/erase`, {});
  const approval = /\/staff\/approvals\/([0-9a-z]{16})/.exec(page.text)?.[1] ?? '';
  await second.post(`/staff/erasures/${approval}/decide`, { decision: 'refuse', why: 'a claim is open' });
  expect((await officer.get(`/staff/approvals/${approval}`)).text).toContain('“a claim is open”');
  await hush.settle();
  expect(await isErased(person.email)).toBe(false);
  expect((await officer.get(at)).text).toContain('Ask for approval to erase');
});

test('what has changed since it was asked for is not erased: another address was proven', async () => {
  const { record, at, person } = await deletion('Dan');
  const page = await officer.post(`${at}/erase`, {});
  const approval = /\/staff\/approvals\/([0-9a-z]{16})/.exec(page.text)?.[1] ?? '';
  await hush.hush.stores.requests.models[0].collection.updateOne(
    { _id: record.id as never },
    { $set: { 'contacts.0.verified': false } },
  );
  expect((await second.post(`/staff/erasures/${approval}/decide`, { decision: 'confirm' })).status).toBe(409);
  await hush.settle();
  expect(await isErased(person.email)).toBe(false);
  expect(await keyOf(hush, person.email)).toMatch(/^c_/);
});
