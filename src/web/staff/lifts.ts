import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { stateOf } from '../../core/contact-state.js';
import { presentAt } from '../../core/fold.js';
import { contactKeyText } from '../../core/keys.js';
import { scopeText } from '../../core/scope.js';
import { standingDenials } from '../../core/standing.js';
import type { Approvals } from '../../staff/approvals.js';
import { VERIFICATIONS } from '../../staff/calls.js';
import type { FindCaller } from '../../staff/find-caller.js';
import type { PersonFiles } from '../../staff/person.js';
import { statementFrom } from './call.js';
import { contactFor } from './may-read.js';
import type { StaffShell, Visit } from './shell.js';
import { scopeWords } from './words.js';

/** Asking for opt-outs to be lifted on a caller's word: somebody else decides (approvals.ts). */
export function liftPages(parts: {
  readonly approvals: Pick<Approvals, 'requestLift'>;
  readonly find: FindCaller;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly clock: Clock;
}) {
  const { approvals, find, files, catalog } = parts;

  /** Scopes of what stands of all that a person has said no to, each once. */
  async function deniedScopes(visit: Visit, key: Buffer) {
    const contact = (await find.byKey(key))?.contact;
    const state = stateOf(contact);
    const standing = standingDenials(state, presentAt(state, parts.clock.now()));
    const scopes = new Map(standing.map(({ scope }) => [scopeText(scope), scope]));
    return [...scopes].map(([value, scope]) => ({ value, scope, label: scopeWords(visit.pages, catalog, scope) }));
  }

  async function showLift(visit: Visit): Promise<void> {
    const found = await contactFor(visit, parts);
    if (!found) return;
    const { contact, why } = found;
    await visit.record({ kind: 'look', what: 'person', contact: contact.key, ...why, about: 'to ask for a lift' });
    await visit.page('lift', {
      title: 'Opt back in',
      key: contactKeyText(contact.key),
      masked: files.masked(contact),
      scopes: await deniedScopes(visit, contact.key),
      notices: catalog.notices,
      verifications: VERIFICATIONS.filter((item) => item !== 'none'),
    });
  }

  return (shell: StaffShell): void => {
    shell.get('/staff/contacts/:key/lift', 'lifts.request', (visit) => showLift(visit));

    shell.post('/staff/contacts/:key/lift', 'lifts.request', async (visit) => {
      const found = await contactFor(visit, parts);
      if (!found) return;
      const caller = await find.byKey(found.contact.key);
      const wanted = visit.several('scope');
      const chosen = (await deniedScopes(visit, found.contact.key)).filter(({ value }) => wanted.includes(value));
      const said = statementFrom(visit);
      if (!caller || chosen.length === 0) return visit.again('Choose what the caller wants to receive again.');
      if (said.verification === 'none')
        return visit.again('To opt back in, the caller must be verified. To opt out, they need not be.');
      if (said.words === '') return visit.again('Write what the caller said: the second person decides by it.');
      const notice = catalog.notices.find(
        ({ id, version, language }) => `${id} ${version} ${language}` === visit.field('notice'),
      );
      const scopes = chosen.map(({ scope }) => scope);
      const id = await approvals.requestLift(
        visit.user,
        caller,
        { scopes, ...(notice ? { notice: { id: notice.id, version: notice.version }, wording: notice.text } : {}) },
        said,
      );
      await visit.record({
        kind: 'change',
        what: 'lift_requested',
        contact: caller.key,
        reason: found.why.reason,
        about: id,
      });
      await visit.go(`/staff/approvals/${id}`, 'Waiting for a second person. Nothing has changed yet.');
    });
  };
}
