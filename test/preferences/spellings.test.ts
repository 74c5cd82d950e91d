import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../src/core/decide.js';
import { type ContactEvent, DENIAL_TYPES } from '../../src/core/event.js';
import { foldAsOf } from '../../src/core/fold.js';
import { contactKeyBytes } from '../../src/core/keys.js';
import { emailOf, type Inbound, keyring, openInbound, policy } from '../inbound/setting.js';
import { history, question } from '../support/histories.js';

let inbound: Inbound;
beforeAll(async () => {
  inbound = await openInbound();
});
afterAll(() => inbound.close());

const DENIALS: ReadonlySet<string> = new Set(DENIAL_TYPES);
let mailboxes = 0;
/** Four spellings of a mailbox nobody has used. */
function spellings(): string[] {
  const name = `box${++mailboxes}`;
  return [`${name}@gmail.com`, `b.o.x${mailboxes}@gmail.com`, `${name}@googlemail.com`, `${name}.@gmail.com`];
}

async function tell(email: string, { id: _id, recorded: _recorded, ...event }: ContactEvent): Promise<void> {
  await inbound.accept.accept({ ...event, subject: { point: emailOf(email) } });
}

describe('of one mailbox', () => {
  test('each is decided by its own history and the denials of the others, known or not, now and then', async () => {
    await fc.assert(
      fc.asyncProperty(
        history,
        history,
        fc.array(question, { minLength: 3, maxLength: 6 }),
        fc.nat(3),
        async (a, b, asked, cut) => {
          const all = spellings();
          const [first = '', second = '', unknown = ''] = all;
          inbound.time.now = Date.UTC(2029, 0, 1, 18);
          const said = [
            ...a.map((event) => ({ email: first, event })),
            ...b.map((event) => ({ email: second, event })),
          ];
          for (const [index, { email, event }] of said.entries()) {
            await tell(email, event);
            if (index === cut) await inbound.project();
          }
          if (cut > 1) await inbound.project();
          const events = await Promise.all(all.map((email) => inbound.events(emailOf(email))));
          for (const [index, email] of [first, second, unknown].entries()) {
            const shared = events.flatMap((list, of) =>
              of === index ? list : list.filter(({ type }) => DENIALS.has(type)),
            );
            for (const one of asked) {
              const point = emailOf(email);
              const [answer] = await inbound.decisions.decideAll(
                [{ key: contactKeyBytes(keyring, point), point }],
                one,
              );
              const { exceptTopics: _topics, ...decision } = answer ?? {};
              expect(decision).toEqual(decide(foldAsOf(shared, one.at), one, { policy }));
            }
          }
        },
      ),
      { numRuns: 12 },
    );
  });
});
