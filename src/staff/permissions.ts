/** Who works with the console. */
export const ROLES = ['agent', 'supervisor', 'privacy_officer', 'admin', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** What each role is for, as `docs/roles.md` and the sign-in page say it. */
export const ROLE_WORDS: Readonly<Record<Role, { readonly name: string; readonly about: string }>> = {
  agent: { name: 'agent', about: 'Takes calls. Records what callers say no to.' },
  supervisor: {
    name: 'supervisor',
    about: 'Looks after agents: reviews calls, undoes mistakes, approves what needs a second person.',
  },
  privacy_officer: { name: 'privacy officer', about: 'Answers for rights requests, erasures and exports.' },
  admin: { name: 'admin', about: 'Runs the installation. Sees no person.' },
  auditor: { name: 'auditor', about: 'Checks what happened and what staff did. Changes nothing.' },
};

/**
 * The one table of permissions: what it allows, and the roles that have it. Every route of the console names exactly one;
 * `docs/roles.md` is made from this table, and a test walks every route with every role.
 */
export const PERMISSIONS = {
  'console.open': {
    about: 'Sign in, see the overview and its statistics (groups under 10 are hidden)',
    roles: ['agent', 'supervisor', 'privacy_officer', 'admin', 'auditor'],
  },
  'calls.record': {
    about: 'Find a caller, record an opt-out by phone',
    roles: ['agent', 'supervisor', 'privacy_officer'],
  },
  'calls.read': {
    about: 'See the calls that one took',
    roles: ['agent', 'supervisor', 'privacy_officer', 'auditor'],
  },
  'calls.review': { about: 'See everybody’s calls', roles: ['supervisor', 'privacy_officer', 'auditor'] },
  'calls.undo': { about: 'Undo somebody else’s call, by a new event', roles: ['supervisor', 'privacy_officer'] },
  'people.view': {
    about: 'Open a person’s page, addresses masked',
    roles: ['agent', 'supervisor', 'privacy_officer', 'auditor'],
  },
  'people.evidence': {
    about: 'Read the evidence of what happened',
    roles: ['supervisor', 'privacy_officer', 'auditor'],
  },
  'people.unmask': { about: 'Show an address in full, with a reason', roles: ['supervisor', 'privacy_officer'] },
  'lifts.request': {
    about: 'Ask for an opt-out to be lifted on a caller’s word',
    roles: ['agent', 'supervisor', 'privacy_officer'],
  },
  'approvals.read': {
    about: 'See what waits for a second person, and what was asked for by oneself',
    roles: ['agent', 'supervisor', 'privacy_officer', 'auditor'],
  },
  'lifts.decide': {
    about: 'Approve or refuse a lift that somebody else asked for',
    roles: ['supervisor', 'privacy_officer'],
  },
  'exports.request': { about: 'Ask for a list with readable addresses', roles: ['privacy_officer'] },
  'exports.decide': {
    about: 'Approve or refuse such a list that somebody else asked for',
    roles: ['privacy_officer', 'supervisor'],
  },
  'erasures.decide': {
    about: 'Approve or refuse an erasure that somebody else asked for, where policy asks for a second person',
    roles: ['privacy_officer', 'supervisor'],
  },
  'requests.take': {
    about: 'Write down a rights request that came by phone or letter',
    roles: ['agent', 'supervisor', 'privacy_officer'],
  },
  'requests.read': {
    about: 'See rights requests and their clocks',
    roles: ['agent', 'supervisor', 'privacy_officer', 'auditor'],
  },
  'requests.work': { about: 'Verify, extend, answer and refuse rights requests', roles: ['privacy_officer'] },
  'receipts.read': {
    about: 'Look up a receipt: history, proof, how to check it',
    roles: ['agent', 'supervisor', 'privacy_officer', 'auditor'],
  },
  'audit.read': { about: 'Read what staff looked at, changed and exported', roles: ['privacy_officer', 'auditor'] },
  'audit.export': { about: 'Export a period of the ledger with its proofs', roles: ['privacy_officer', 'auditor'] },
  'review.read': {
    about: 'See returned mail and texts that wait for a person',
    roles: ['supervisor', 'privacy_officer', 'auditor'],
  },
  'review.decide': {
    about: 'Record or dismiss what returned mail and texts say',
    roles: ['supervisor', 'privacy_officer'],
  },
  'destinations.read': {
    about: 'See what is synced to destinations and what is pending',
    roles: ['supervisor', 'privacy_officer', 'admin', 'auditor'],
  },
  'destinations.manage': { about: 'Pause, resume and compare destinations', roles: ['admin'] },
  'queues.read': { about: 'Look at the queues', roles: ['admin'] },
} as const satisfies Readonly<Record<string, { readonly about: string; readonly roles: readonly Role[] }>>;

export type Permission = keyof typeof PERMISSIONS;

/**
 * Roles that give a reason before they see a person. A call is one, and is filled in by itself; the privacy officer’s
 * office is one. Every look is logged, reason or not.
 */
export const GIVES_REASON: ReadonlySet<Role> = new Set<Role>(['agent', 'supervisor', 'auditor']);

/** True when one of the roles has the permission. */
export function may(roles: readonly Role[], permission: Permission): boolean {
  const allowed: readonly Role[] = PERMISSIONS[permission].roles;
  return roles.some((role) => allowed.includes(role));
}

/** True when somebody with these roles says why before looking at a person. */
export function needsReason(roles: readonly Role[]): boolean {
  return roles.every((role) => GIVES_REASON.has(role));
}

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** A route as the documentation lists it. */
export interface ListedRoute {
  readonly method: string;
  readonly path: string;
  readonly permission: Permission;
}

/** `docs/roles.md`: roles, permissions, and the pages each opens. */
export function rolesDocument(routes: readonly ListedRoute[]): string {
  const tick = (permission: Permission, role: Role) => (may([role], permission) ? '✓' : '');
  const permissions = Object.keys(PERMISSIONS) as Permission[];
  return [
    '# Roles',
    '',
    '<!-- Made from src/staff/permissions.ts by `UPDATE_DOCS=1 npm test -- test/web/staff/roles`; the same test checks it. -->',
    '',
    'Somebody may have several roles and then may do what any of them may. Roles come from the identity provider:',
    '`HUSH_OIDC_ROLE_CLAIM` names the claim, `HUSH_OIDC_ROLES` maps its values (`docs/staff.md`).',
    '',
    '| role | is for | says why before seeing a person |',
    '|---|---|---|',
    ...ROLES.map(
      (role) => `| ${ROLE_WORDS[role].name} | ${ROLE_WORDS[role].about} | ${GIVES_REASON.has(role) ? 'yes' : 'no'} |`,
    ),
    '',
    '## Permissions',
    '',
    `| permission | allows to | ${ROLES.map((role) => ROLE_WORDS[role].name).join(' | ')} |`,
    `|---|---|${ROLES.map(() => ':-:|').join('')}`,
    ...permissions.map(
      (permission) =>
        `| \`${permission}\` | ${PERMISSIONS[permission].about} | ${ROLES.map((role) => tick(permission, role)).join(' | ')} |`,
    ),
    '',
    '## Pages',
    '',
    '| route | needs |',
    '|---|---|',
    ...routes.map(({ method, path, permission }) => `| \`${method.toUpperCase()} ${path}\` | \`${permission}\` |`),
    '',
  ].join('\n');
}
