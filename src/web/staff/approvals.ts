import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { standingDenials } from '../../core/decide.js';
import { HushError } from '../../core/errors.js';
import { presentAt } from '../../core/fold.js';
import { contactKeyText } from '../../core/keys.js';
import { CHANNELS, PURPOSES, type Scope, scopeText } from '../../core/scope.js';
import type { Approvals, Lift, ListWanted } from '../../staff/approvals.js';
import { VERIFICATIONS } from '../../staff/calls.js';
import type { FindCaller } from '../../staff/find-caller.js';
import type { Permission } from '../../staff/permissions.js';
import type { PersonFiles } from '../../staff/person.js';
import { stateOf } from '../../store/contacts.js';
import type { Approval } from '../../store/staff-approvals.js';
import { saidFrom } from './call.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import { contactFor, mayReadAbout } from './people.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { receiptOf, scopeWords } from './words.js';

export interface ApprovalParts {
  readonly approvals: Approvals;
  readonly find: FindCaller;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

const DECIDES: Readonly<Record<Approval['kind'], Permission>> = { lift: 'lifts.decide', export: 'exports.decide' };

/** What waits for a second person: lifts on a caller's word, lists with readable addresses. */
export function approvalPages(parts: ApprovalParts) {
  const { approvals, find, files, catalog } = parts;

  const status = (approval: Approval) => (approvals.isExpired(approval) ? 'expired' : approval.status);

  function about(visit: Visit, approval: Approval): string {
    if (approval.kind === 'lift') return scopeWords(visit.pages, catalog, (approval.details as unknown as Lift).scope);
    const { brand, channel, purpose } = approval.details as unknown as ListWanted;
    return scopeWords(visit.pages, catalog, { brand, channel, purpose, topic: '*' });
  }

  /** One's own, or any for those who decide on its kind or audit. Another's is as if it were not there. */
  async function approvalOf(visit: Visit): Promise<Approval> {
    const found = await approvals.get(visit.param('id'));
    const mine = found?.user === visit.user.id;
    if (!found || !(mine || visit.may(DECIDES[found.kind]) || visit.may('audit.read'))) {
      throw new HushError('not_found', 'there is no such approval');
    }
    return found;
  }

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

  async function show(visit: Visit, approval: Approval): Promise<void> {
    const contact = approval.contact && (await find.byKey(approval.contact))?.contact;
    await visit.record({ kind: 'look', what: 'approval', contact: approval.contact, about: approval.id });
    const mine = approval.user === visit.user.id;
    const contacts = approval.contact ? [approval.contact] : [];
    const readable = mayReadAbout(visit, { decides: DECIDES[approval.kind], own: mine, contacts }, parts.clock);
    const { said, wording, reason } = readable ? approvals.written(approval) : {};
    const state = status(approval);
    const overtaken = state === 'waiting' && (await approvals.isOvertaken(approval));
    await visit.page('approval', {
      title: visit.pages.word('approval', approval.kind),
      approval,
      state,
      mine,
      said,
      wording,
      reason,
      masked: contact && readable ? files.masked(contact) : undefined,
      person: contact && !readable ? `/staff/contacts/${contactKeyText(contact.key)}` : undefined,
      words: about(visit, approval),
      receipts: (approval.events ?? []).map(receiptOf),
      overtaken,
      mayDecide: !mine && state === 'waiting' && visit.may(DECIDES[approval.kind]),
      mayFetch: mine && approval.kind === 'export' && state === 'confirmed',
    });
  }

  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'Approvals',
      href: '/staff/approvals',
      label: 'Approvals',
      permission: 'approvals.read',
      count: async (may) => (may('lifts.decide') ? approvals.countWaiting() : 0),
    });

    shell.get('/staff/approvals', 'approvals.read', async (visit) => {
      const sees = visit.may('audit.read') || visit.may('lifts.decide');
      const all = await approvals.list(sees ? {} : { user: visit.user.id });
      const wanted = visit.query('status');
      const spec: List<Approval> = {
        name: 'approvals',
        title: 'Approvals',
        noun: ['approval', 'approvals'],
        filters: [
          {
            name: 'status',
            label: 'State',
            options: ['waiting', 'confirmed', 'refused', 'used', 'expired'].map((value) => ({
              value,
              label: visit.pages.word('approval', value),
            })),
          },
          { name: 'q', label: 'Who asked' },
        ],
        columns: [
          { label: 'Requested', text: (item) => when(item.at), href: (item) => `/staff/approvals/${item.id}` },
          { label: 'What', text: (item) => visit.pages.word('approval', item.kind) },
          { label: 'About', text: (item) => about(visit, item) },
          { label: 'By', text: (item) => item.userName },
          {
            label: 'State',
            text: (item) => visit.pages.word('approval', status(item)),
            tone: (item) => (status(item) === 'waiting' ? 'warn' : 'soft'),
          },
          { label: 'Decided by', text: (item) => item.decided?.userName ?? '' },
        ],
        empty: {
          title: 'Nothing is waiting',
          text: 'When a caller wants to opt back in, or someone needs a list with readable addresses, it waits here until a second person decides.',
        },
        rows: rowsOf(
          wanted === '' ? all : all.filter((item) => status(item) === wanted),
          visit.query('q'),
          (item) => `${item.userName} ${item.id}`,
        ),
      };
      if (await sentAsCsv(visit, spec)) return;
      await visit.page('approvals', {
        title: 'Approvals',
        list: await viewList(visit, spec),
        mayAsk: visit.may('exports.request'),
      });
    });

    shell.get('/staff/contacts/:key/lift', 'lifts.request', (visit) => showLift(visit));

    shell.post('/staff/contacts/:key/lift', 'lifts.request', async (visit) => {
      const found = await contactFor(visit, parts);
      if (!found) return;
      const caller = await find.byKey(found.contact.key);
      const chosen = (await deniedScopes(visit, found.contact.key)).find(({ value }) => value === visit.field('scope'));
      const said = saidFrom(visit);
      if (!caller || !chosen) return visit.again('Choose what the caller wants to receive again.');
      if (said.verification === 'none')
        return visit.again('To opt back in, the caller must be verified. To opt out, they need not be.');
      if (said.words === '') return visit.again('Write what the caller said: the second person decides by it.');
      const notice = catalog.notices.find(
        ({ id, version, language }) => `${id} ${version} ${language}` === visit.field('notice'),
      );
      const scope: Scope = chosen.scope;
      const id = await approvals.requestLift(
        visit.user,
        caller,
        { scope, ...(notice ? { notice: { id: notice.id, version: notice.version }, wording: notice.text } : {}) },
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

    shell.get('/staff/approvals/:id', 'approvals.read', async (visit) => show(visit, await approvalOf(visit)));

    for (const kind of ['lift', 'export'] as const) {
      const path = kind === 'lift' ? 'lifts' : 'exports';
      shell.post(
        `/staff/${path}/:id/decide`,
        DECIDES[kind],
        async (visit) => {
          const approval = await approvalOf(visit);
          if (approval.kind !== kind) throw new HushError('not_found', 'there is no such approval');
          if (approval.user === visit.user.id) {
            await visit.record({ kind: 'refusal', what: 'own', about: `approval ${approval.id}` });
            throw new HushError('forbidden', 'you cannot decide on your own request');
          }
          const confirmed = visit.field('decision') === 'confirm';
          let events: readonly string[] = [];
          if (!confirmed) await approvals.refuse(visit.user, approval);
          else if (kind === 'lift') events = await approvals.confirmLift(visit.user, approval);
          else await approvals.confirmExport(visit.user, approval);
          await visit.record({
            kind: 'change',
            what: `${kind}_${confirmed ? 'confirmed' : 'refused'}`,
            contact: approval.contact,
            about: [approval.id, ...events.map(receiptOf)].join(' '),
          });
          await visit.go(`/staff/approvals/${approval.id}`, confirmed ? 'Approved.' : 'Refused. Nothing has changed.');
        },
        '/staff/approvals/:id',
      );
    }

    shell.get('/staff/exports', 'exports.request', (visit) =>
      visit.page('export', {
        title: 'Ask for a list of addresses',
        brands: catalog.brands.filter(({ retired }) => !retired),
        channels: CHANNELS,
        purposes: PURPOSES.filter((purpose) => purpose !== 'legal' && purpose !== 'service'),
      }),
    );
    shell.post('/staff/exports', 'exports.request', async (visit) => {
      const channel = CHANNELS.find((item) => item === visit.field('channel'));
      const purpose = PURPOSES.find((item) => item === visit.field('purpose'));
      const brand = visit.field('brand');
      const reason = visit.field('reason');
      if (!channel || !purpose || !brandById(catalog, brand) || reason === '') {
        throw new HushError('invalid', 'a list has a brand, a channel, a purpose and a reason', {
          remedy: 'fill in all four',
        });
      }
      const id = await approvals.requestExport(visit.user, { brand, channel, purpose }, reason);
      await visit.record({ kind: 'change', what: 'export_requested', note: reason, about: id });
      await visit.go(
        `/staff/approvals/${id}`,
        'Waiting for a second person. Once approved you can download it for a day, once.',
      );
    });
  };
}
