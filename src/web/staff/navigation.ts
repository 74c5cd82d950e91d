import type { Permission } from '../../staff/permissions.js';

type May = (permission: Permission) => boolean;

/** The bar on top, in this order. `Overview` has one page; its group is its page. */
const GROUPS = ['Overview', 'Calls', 'People', 'Requests', 'Approvals', 'System'] as const;

/** A page that is reached from the bar, shown to whoever has the permission. */
export interface NavigationItem {
  readonly group: (typeof GROUPS)[number];
  readonly href: string;
  readonly label: string;
  readonly permission: Permission;
  /** Where else it is current: the beginnings of further paths. */
  readonly also?: readonly string[];
  /** A number beside it; nothing when it is 0. */
  readonly count?: (may: May) => Promise<number>;
}

interface ShownItem {
  readonly href: string;
  readonly label: string;
  readonly current: boolean;
  readonly count: number;
}

/** A group as the bar shows it: it leads to the first of its pages that the visitor may open. */
export interface ShownGroup {
  readonly label: string;
  readonly href: string;
  readonly current: boolean;
  readonly count: number;
  readonly items: readonly ShownItem[];
}

function isCurrent(path: string, { href, also = [] }: NavigationItem): boolean {
  return path === href || [href, ...also].some((start) => start !== '/staff' && path.startsWith(`${start}/`));
}

/** The groups that somebody at `path` may open. A count that cannot be had is left out: the page is shown all the same. */
export async function navigationFor(
  items: readonly NavigationItem[],
  path: string,
  may: May,
): Promise<readonly ShownGroup[]> {
  const shown = await Promise.all(
    items
      .filter(({ permission }) => may(permission))
      .map(async (item) => ({
        group: item.group,
        href: item.href,
        label: item.label,
        current: isCurrent(path, item),
        count: (await item.count?.(may).catch(() => 0)) ?? 0,
      })),
  );
  return GROUPS.flatMap((label) => {
    const own = shown.filter(({ group }) => group === label);
    const [first] = own;
    if (!first) return [];
    return [
      {
        label,
        href: first.href,
        current: own.some(({ current }) => current),
        count: own.reduce((sum, { count }) => sum + count, 0),
        items: own,
      },
    ];
  });
}
