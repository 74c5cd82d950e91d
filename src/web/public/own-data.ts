import { presentAt, type State } from '../../core/fold.js';
import { inForce } from '../../core/standing.js';
import type { Link } from '../../preferences/links.js';
import type { Contact, StoredEvent } from '../../store/contacts.js';
import { iso } from '../api/requests.js';

/** All that is held about a contact, as the person takes it along. */
export function ownData(parts: {
  readonly link: Link;
  readonly state: State;
  readonly contact: Contact | undefined;
  readonly events: readonly StoredEvent[];
  readonly language: string;
  /** ms */
  readonly now: number;
}): Record<string, unknown> {
  const { link, state, contact, events, language, now } = parts;
  return {
    contact: { type: link.point.type, address: link.point.given },
    made: iso(now),
    events: events.map(
      ({ id, type, at, scope, source, until, cadence, notice, relationship, jurisdiction, timeZone, language }) => ({
        receipt: `r_${id}`,
        type,
        at: iso(at),
        scope,
        source: source.kind,
        cadence,
        notice,
        relationship,
        jurisdiction,
        timeZone,
        language,
        ...(until === undefined ? {} : { until: iso(until) }),
      }),
    ),
    told: Object.entries(contact?.synced ?? {}).map(([destination, synced]) => ({
      destination,
      bindings: Object.fromEntries(
        Object.entries(synced.bindings).map(([name, { suppressed, at }]) => [name, { suppressed, at: iso(at) }]),
      ),
    })),
    language,
    standing: inForce(state, presentAt(state, now)).denials.map(({ denial: { type, scope, id }, except }) => ({
      type,
      scope,
      ...(except.length > 0 ? { except } : {}),
      receipt: `r_${id}`,
    })),
  };
}
