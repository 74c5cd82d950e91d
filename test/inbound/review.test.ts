import { contactKeyBytes } from '../../src/core/keys.js';
import { bounce, complaint, original, written } from './letters.js';
import { DOMAIN, emailOf, type Inbound, keyring, openInbound } from './setting.js';

let inbound: Inbound;
beforeAll(async () => {
  inbound = await openInbound();
});
afterAll(() => inbound.close());

let people = 0;
const somebody = () => `waiting${++people}@customer.example`;
async function held(raw: Buffer): Promise<string> {
  const { recognised } = await inbound.mailIn.receive(raw, { via: 'smtp' });
  const id = recognised[0]?.review;
  if (id === undefined) throw new Error(`not held: ${JSON.stringify(recognised)}`);
  return id;
}
const forged = (address: string) => bounce({ recipient: address, to: `bounces@${DOMAIN}` });

test('what waits is listed newest first, and nothing in the list or at rest names anybody', async () => {
  const [first, second] = [somebody(), somebody()];
  await held(forged(first));
  inbound.time.now += 1000;
  await held(complaint({ recipient: second, returned: original(second) }));
  const list = await inbound.review.list();
  expect(list.slice(0, 2).map(({ kind }) => kind)).toEqual(['complaint', 'hard']);
  expect((await inbound.review.list({ kind: 'hard' })).every(({ kind }) => kind === 'hard')).toBe(true);
  const page = await inbound.review.list({ before: list[0]!.receivedAt });
  expect(page[0]?.id).toBe(list[1]?.id);
  const rows = await inbound.connection.db!.collection('inbound_review').find().toArray();
  const stored = rows.map((row) => JSON.stringify({ ...row, sealed: row.sealed.toString('latin1') })).join();
  expect(stored).not.toContain(first);
  expect(stored).not.toContain('User unknown');
  expect(list[0]).toMatchObject({ masked: 'w•••@customer.example', waiting: true, why: 'no_proof' });
});

test('the same message twice waits once', async () => {
  const raw = forged(somebody());
  expect(await held(raw)).toBe(await held(raw));
});

test('confirming records the event as staff’s, with who did it', async () => {
  const jane = somebody();
  const id = await held(forged(jane));
  const accepted = await inbound.review.confirm(id, { actor: 'agent@group.example' });
  expect(accepted).toHaveLength(1);
  expect(await inbound.events(emailOf(jane))).toEqual([
    expect.objectContaining({ type: 'bounced', kind: 'hard', source: { kind: 'staff' } }),
  ]);
  expect((await inbound.decide(emailOf(jane))).reason).toBe('undeliverable');
  expect(await inbound.review.open(id)).toMatchObject({
    outcome: 'confirmed',
    decidedBy: 'agent@group.example',
    events: [accepted[0]?.id],
    waiting: false,
    facts: {},
  });
  await expect(inbound.review.confirm(id, { actor: 'b' })).rejects.toMatchObject({ kind: 'conflict' });
  await expect(inbound.review.dismiss(id, { actor: 'b' })).rejects.toMatchObject({ kind: 'conflict' });
  expect(await inbound.events(emailOf(jane))).toHaveLength(1);
});

test('confirming that was cut off after the decision is finished by confirming again', async () => {
  const jane = somebody();
  const id = await held(forged(jane));
  await inbound.reviewStore.decide(id, 'confirmed', 'first@group.example', new Date(inbound.time.now));
  await inbound.review.confirm(id, { actor: 'second@group.example' });
  expect(await inbound.events(emailOf(jane))).toHaveLength(1);
});

test('two who confirm at once make one event', async () => {
  const jane = somebody();
  const id = await held(forged(jane));
  await Promise.allSettled(['a', 'b', 'c'].map((actor) => inbound.review.confirm(id, { actor })));
  await inbound.project();
  expect(await inbound.events(emailOf(jane))).toHaveLength(1);
});

test('of forwarded mail it can be confirmed for the contact that our token names', async () => {
  const [ours, forwarded] = [somebody(), 'jane@private.example'];
  const { returnPath } = inbound.sent(ours);
  const id = await held(bounce({ recipient: forwarded, to: returnPath }));
  expect((await inbound.review.open(id)).tokenNamesAnother).toBe(true);
  await inbound.review.confirm(id, { actor: 'a', about: 'token' });
  expect((await inbound.decide(emailOf(ours))).reason).toBe('undeliverable');
  expect(await inbound.events(emailOf(forwarded))).toEqual([]);
});

test('a person’s words, confirmed, are an opt-out of all marketing', async () => {
  const jane = somebody();
  const id = await held(written({ from: jane, to: `abuse@${DOMAIN}`, subject: 'No more!', body: 'Leave me be' }));
  expect((await inbound.review.open(id)).facts).toMatchObject({ subject: 'No more!' });
  await inbound.review.confirm(id, { actor: 'a' });
  expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
});

test('dismissing forgets the facts at once, and the message does not come back', async () => {
  const raw = forged(somebody());
  const id = await held(raw);
  await inbound.review.dismiss(id, { actor: 'a' });
  await inbound.review.dismiss(id, { actor: 'a' });
  const detail = await inbound.review.open(id);
  expect(detail).toMatchObject({ outcome: 'dismissed', waiting: false, facts: {} });
  expect(detail.address).toBeUndefined();
  expect(await held(raw)).toBe(id);
  expect((await inbound.review.list()).some((line) => line.id === id)).toBe(false);
  await expect(inbound.review.confirm(id, { actor: 'a' })).rejects.toMatchObject({ kind: 'conflict' });
});

test('an unknown id is not found, whatever it looks like', async () => {
  for (const id of ['', 'x', '0'.repeat(26), '../../etc']) {
    await expect(inbound.review.open(id)).rejects.toMatchObject({ kind: 'not_found' });
  }
});

test('an erasure takes out what waits about a contact, and everything goes after 90 days', async () => {
  const jane = somebody();
  const id = await held(forged(jane));
  const row = await inbound.connection.db!.collection('inbound_review').findOne({ _id: id as never });
  expect(row?.expiresAt.getTime() - row?.receivedAt.getTime()).toBe(90 * 86_400_000);
  const indexes = await inbound.connection.db!.collection('inbound_review').indexes();
  expect(indexes.find(({ key }) => 'expiresAt' in key)).toMatchObject({ expireAfterSeconds: 0 });
  expect(await inbound.review.forget(contactKeyBytes(keyring, emailOf(jane)))).toBe(1);
  await expect(inbound.review.open(id)).rejects.toMatchObject({ kind: 'not_found' });
});
