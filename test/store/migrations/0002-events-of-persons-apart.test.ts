import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { eventsOfPersonsApart } from '../../../src/store/migrations/0002-events-of-persons-apart.js';
import { createPersons, type Persons } from '../../../src/store/persons.js';
import { openStoreSetting, type StoreSetting } from '../setting.js';

let setting: StoreSetting;
let persons: Persons;
beforeAll(async () => {
  setting = await openStoreSetting();
  persons = createPersons(setting.connection, machine);
  for (const model of persons.models) await model.createIndexes();
});
afterAll(() => setting?.close());

const event = (id: string) => {
  return {
    id,
    type: 'opted_out',
    at: 1000,
    recorded: 1,
    source: { kind: 'form' },
    reach: 'person',
    sealed: Buffer.from(id),
  };
};
const member = { key: Buffer.alloc(16, 1), type: 'email' };

test('events that an older version kept in the person’s document get documents of their own', async () => {
  await setting.put(
    'persons',
    { _id: 'p', members: [member], events: [event('done'), event('open')], open: ['open'], openSince: new Date(0) },
    { _id: 'q', members: [] },
  );
  for (let times = 0; times < 2; times++) await eventsOfPersonsApart.run(setting.connection, machine);
  expect(await setting.all('persons')).toMatchObject([
    { _id: 'p', members: [member], events: [], open: [] },
    { _id: 'q', members: [] },
  ]);
  expect((await setting.all('persons'))[0]).not.toHaveProperty('openSince');
  expect(await setting.all('person_events')).toEqual([
    { _id: 'p:done', person: 'p', event: event('done') },
    { _id: 'p:open', person: 'p', event: event('open'), open: expect.any(Date) },
  ]);
});

test('one that a process of the older version adds afterwards is still read', async () => {
  await setting.connection
    .collection('persons')
    .updateOne({ _id: 'p' as never }, { $push: { events: event('late') } as never });
  expect((await persons.eventsOf('p')).map(({ id }) => id).sort()).toEqual(['done', 'late', 'open']);
});
