import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { AccessDelivery } from '../../rights/access/delivery.js';
import { FILES } from '../../rights/access/files.js';
import type { Packages } from '../../rights/access/packages.js';
import type { StoredPackage } from '../../store/access-packages.js';
import { type List, sentAsCsv, viewList } from './list.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { spelled } from './words.js';

/** A link and its passphrase, as they are shown once. */
const handedSchema = z.object({ passphrase: z.string(), link: z.string(), mailed: z.boolean() });

const TYPES = { html: 'text/html; charset=utf-8', pdf: 'application/pdf', json: 'application/json' } as const;

function stateOf(made: StoredPackage): { code: string; tone: string } {
  if (made.openedAt !== undefined) return { code: 'opened', tone: 'yes' };
  if (made.state === 'delivered') return { code: made.key ? 'delivered' : 'over', tone: made.key ? 'yes' : 'soft' };
  if (made.state === 'ready') return { code: made.key ? 'ready' : 'over', tone: made.key ? 'warn' : 'soft' };
  return { code: made.state, tone: made.state === 'failed' ? 'no' : 'warn' };
}

interface AccessPageParts {
  readonly packages: Packages;
  readonly delivery: AccessDelivery;
}

async function packageFor({ packages }: Pick<AccessPageParts, 'packages'>, visit: Visit): Promise<StoredPackage> {
  const made = await packages.get(visit.param('id'));
  if (!made) throw new HushError('not_found', 'there is no such package');
  return made;
}

/** Who hands over what is written down before it is done. */
function recordHandover(
  visit: Visit,
  made: StoredPackage,
  kind: 'export' | 'change',
  what: string,
  file = '',
): Promise<void> {
  return visit.record({ kind, what, contact: made.contacts[0], about: `${made.request} ${made.id}${file}` });
}

async function showPackage(parts: Pick<AccessPageParts, 'packages'>, visit: Visit): Promise<void> {
  const made = await packageFor(parts, visit);
  const once = handedSchema.safeParse(visit.takeOnce());
  const state = stateOf(made);
  await visit.page('access', {
    title: 'Access package',
    made,
    state: { ...state, words: visit.pages.word('package', state.code) },
    systems: made.systems.map((system) => ({
      ...system,
      words: visit.pages.word('asked', system.state),
      tone:
        system.state === 'answered' || system.state === 'nothing_held'
          ? 'yes'
          : system.state === 'waiting'
            ? 'warn'
            : 'no',
    })),
    files: FILES.map((name) => ({ name, size: Math.max(1, Math.round((made.files?.[name]?.size ?? 0) / 1024)) })),
    open: made.key !== undefined && made.files !== undefined && made.openedAt === undefined,
    told: once.success ? { ...once.data, groups: spelled(once.data.passphrase) } : undefined,
  });
}

function packageList({ packages }: Pick<AccessPageParts, 'packages'>, visit: Visit): List<StoredPackage> {
  return {
    name: 'access-packages',
    title: 'Access packages',
    noun: ['package', 'packages'],
    filters: [],
    columns: [
      { label: 'Asked', text: ({ at }) => when(at) },
      { label: 'Package', text: ({ id }) => id, href: ({ id }) => `/staff/access/${id}` },
      { label: 'Request', text: ({ request }) => request },
      { label: 'Way', text: ({ way }) => visit.pages.word('delivery', way) },
      {
        label: 'State',
        text: (made) => visit.pages.word('package', stateOf(made).code),
        tone: (made) => stateOf(made).tone,
      },
      {
        label: 'Systems that have not answered',
        num: true,
        text: ({ systems }) =>
          String(systems.filter(({ state }) => state === 'waiting' || state === 'not_answered').length),
      },
    ],
    empty: {
      title: 'No package yet',
      text: 'When a verified person asks for their data, it is collected here and from the systems listed in the catalog.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: packages.list,
  };
}

async function showPackages(parts: Pick<AccessPageParts, 'packages'>, visit: Visit) {
  const spec = packageList(parts, visit);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('list', { title: spec.title, intro: undefined, list: await viewList(visit, spec) });
}

async function sendPackageFile(parts: Pick<AccessPageParts, 'packages'>, visit: Visit) {
  const { packages } = parts;
  const made = await packageFor(parts, visit);
  const name = FILES.find((known) => known === visit.param('name'));
  if (!name || !made.files || !made.key) throw new HushError('not_found', 'there is no such file');
  await recordHandover(visit, made, 'export', 'access_file', ` ${name}`);
  visit.response
    .status(200)
    .type(TYPES[name])
    .set('Cache-Control', 'no-store')
    .set('Content-Disposition', `attachment; filename="${made.id}.${name}"`);
  await pipeline(packages.file(made, name), visit.response);
}

async function offerLink(parts: Pick<AccessPageParts, 'delivery' | 'packages'>, visit: Visit) {
  const { delivery } = parts;
  const made = await packageFor(parts, visit);
  await recordHandover(visit, made, 'export', 'access_link');
  const page = `/staff/access/${made.id}`;
  // Kept nowhere but in the sealed session, until the page was shown.
  visit.showOnce(page, await delivery.offer(made.id, visit.user.id));
  await visit.go(page);
}

async function mailPackage(parts: Pick<AccessPageParts, 'delivery' | 'packages'>, visit: Visit) {
  const { delivery } = parts;
  const made = await packageFor(parts, visit);
  await recordHandover(visit, made, 'export', 'access_mail');
  const { fingerprint } = await delivery.mail(made.id, visit.user.id);
  await visit.go(`/staff/access/${made.id}`, `Sent to the mail server, encrypted for the key ${fingerprint}.`);
}

async function markPosted(parts: Pick<AccessPageParts, 'delivery' | 'packages'>, visit: Visit) {
  const { delivery } = parts;
  const made = await packageFor(parts, visit);
  await recordHandover(visit, made, 'change', 'access_posted');
  await delivery.posted(made.id, visit.user.id);
  await visit.go(`/staff/access/${made.id}`, 'Marked as posted. The package is deleted.');
}

/** Access packages: what is gathered, who has not answered, and handing it over. */
export function accessPackagePages(parts: AccessPageParts) {
  return (shell: StaffShell): void => {
    shell.navigate({ group: 'Requests', href: '/staff/access', label: 'Access packages', permission: 'requests.read' });

    shell.get('/staff/access', 'requests.read', (visit) => showPackages(parts, visit));

    shell.get('/staff/access/:id', 'requests.read', (visit) => showPackage(parts, visit));

    shell.get('/staff/access/:id/files/:name', 'requests.work', (visit) => sendPackageFile(parts, visit));

    shell.post('/staff/access/:id/link', 'requests.work', (visit) => offerLink(parts, visit));

    shell.post('/staff/access/:id/mail', 'requests.work', (visit) => mailPackage(parts, visit));

    shell.post('/staff/access/:id/posted', 'requests.work', (visit) => markPosted(parts, visit));
  };
}
