import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Hush } from '../support/hush.js';
import { again, ask, mailsTo, OFFICER, pressLink, startWithClock, steps, watchOnce } from './setting.js';
import { unzipped } from './unzip.js';

let hush: Hush;
let time: { now: number };
beforeAll(async () => {
  ({ hush, time } = await startWithClock({ env: { HUSH_ROLE: 'web' } }));
});
afterAll(() => hush?.stop());

test('an access request from the form to the file in the hands of the person, and closed', async () => {
  const address = 'ana@example.com';
  await hush.ask('/v1/events', {
    events: [
      {
        contact: { email: address },
        type: 'consent_granted',
        at: new Date(time.now - 1000).toISOString(),
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
        notice: { id: 'newsletter', version: '1' },
        source: { kind: 'form' },
      },
    ],
  });
  await hush.settle();
  const asked = await ask(hush, 'access', address);
  const verified = await pressLink(hush, address, /Please confirm that it is you/);
  expect(verified?.state).toBe('in_progress');
  const begun = await hush.hush.rights.fulfilment.access(await again(hush, asked), OFFICER, 'download');
  expect(begun.state).toBe('fulfilling');
  expect(begun.package).toMatch(/^p_/);

  await hush.hush.accessPackages.work();
  await watchOnce(hush);
  // Ready is not answered: somebody has to look at it and hand it over.
  expect((await again(hush, asked)).state).toBe('fulfilling');
  const { link, passphrase, mailed } = await hush.hush.accessDelivery.offer(begun.package ?? '', OFFICER.id);
  expect(mailed).toBe(true);
  await watchOnce(hush);
  const closed = await again(hush, asked);
  expect(closed.state).toBe('fulfilled');
  expect(steps(closed)).toEqual(expect.arrayContaining(['fulfil', 'complete']));

  const mails = (await mailsTo(hush, address)).join('\n');
  expect(mails).toContain('We have put together what we hold about you');
  expect(mails).toContain(link);
  expect(mails).not.toContain(passphrase);
  const got = await fetch(link, { method: 'POST', body: new URLSearchParams({ passphrase }) });
  expect(got.status).toBe(200);
  const held = JSON.parse(
    unzipped(Buffer.from(await got.arrayBuffer()))
      .get('access.json')
      ?.toString() ?? '',
  );
  expect(held.consents[0].wording).toContain('send me offers and news');
  expect(held.requests).toEqual([expect.objectContaining({ id: asked.id, kind: 'access', state: 'fulfilling' })]);
  expect(held.letters.map(({ kind }: { kind: string }) => kind)).toEqual(
    expect.arrayContaining(['acknowledgement', 'verification']),
  );
  // The letters are there to be read as sent.
  const kinds = (await hush.hush.letters.ofRequest(asked.id)).map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['acknowledgement', 'verification', 'fulfilment']));
});
