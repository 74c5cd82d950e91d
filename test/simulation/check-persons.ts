import { opens } from '../../src/core/event.js';
import { superseded } from '../../src/core/fold.js';
import { eventId } from '../../src/core/keys.js';
import { sharedPart } from '../../src/preferences/person-reach.js';
import type { StoredEvent } from '../../src/store/contacts.js';
import type { LedgerRow } from '../../src/store/ledger.js';
import type { Member } from '../../src/store/persons.js';
import { AFTER_ROTATION, HEX, POINTS } from './installation.js';
import type { Site } from './process.js';
import { Broken } from './promises.js';

const keyring = { ...AFTER_ROTATION, randomBytes: () => Buffer.alloc(0) };

/**
 * What was said for a person and still denies is at every contact of theirs. Where somebody of them said yes meanwhile, it may
 * have been taken back for those who join later.
 */
export function checkPersons(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>): void {
  const persons = site.database.rows<{
    readonly _id: string;
    readonly members?: Member[];
    readonly mergedInto?: string;
  }>('persons');
  const events = site.database.rows<{ readonly person: string; readonly event: StoredEvent }>('person_events');
  for (const { _id, members = [], mergedInto } of persons) {
    if (mergedInto !== undefined) continue;
    const own = events.filter(({ person }) => person === _id).map(({ event }) => event);
    const superfluous = superseded(own);
    const saidYes = members.some(({ key }) =>
      (all.get(key.toString('hex')) ?? []).some((row) => opens(row.event.type)),
    );
    for (const event of own) {
      if (saidYes || superfluous.has(event.id) || sharedPart(event) === undefined) continue;
      for (const { key } of members) {
        // Under the id of any person that was merged into this one.
        const ids: readonly string[] = persons.map((person) =>
          eventId(keyring, key, { name: `person:${person._id}`, id: event.id }),
        );
        const hex = key.toString('hex');
        if (!(all.get(hex) ?? []).some(({ id }) => id === event.id || ids.includes(id)))
          throw new Broken(
            `${event.type} was said for all contacts of a person (${event.id}), and ${POINTS[HEX.indexOf(hex)]?.given} lacks it`,
          );
      }
    }
  }
}
