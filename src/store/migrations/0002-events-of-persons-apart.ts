import { moveEmbeddedEvents, type PersonEventRow, type PersonRow } from '../person-events.js';
import type { Migration } from './migration.js';

/**
 * Earlier versions kept what was said for all contacts of a person in the person's document, which grew without end. Gives
 * those events documents of their own.
 */
export const eventsOfPersonsApart: Migration = {
  name: '0002-events-of-persons-apart',
  async run(connection, machine) {
    const persons = connection.model<PersonRow>('Person');
    const events = connection.model<PersonEventRow>('PersonEvent');
    const former = persons
      .find({ 'events.0': { $exists: true } }, { _id: 1 })
      .lean()
      .cursor();
    for await (const { _id } of former) await moveEmbeddedEvents({ persons, events, machine }, _id);
  },
};
