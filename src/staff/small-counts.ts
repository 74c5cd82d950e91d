/** Groups of fewer than ten could name somebody: they are not shown, so that figures stay deidentified (Cal. Civ. Code 1798.140(m)). */
export const SMALLEST = 10;

export interface Shown {
  /** Counts that may be shown, each at least `SMALLEST`. */
  readonly groups: Readonly<Record<string, number>>;
  /** Their sum. */
  readonly total: number;
  /** True when something was left out: how much cannot be worked out from what is shown. */
  readonly hidden: boolean;
}

/**
 * Small groups are put together as `other`, and left out where even together they are fewer than ten. The total is of what
 * is shown, so that no difference gives a hidden group away.
 */
export function suppressSmallCounts(counts: Readonly<Record<string, number>>): Shown {
  const groups: Record<string, number> = {};
  let rest = 0;
  for (const [name, count] of Object.entries(counts)) {
    if (count >= SMALLEST) groups[name] = count;
    else rest += count;
  }
  const hidden = rest > 0 && rest < SMALLEST;
  if (rest >= SMALLEST) groups.other = (groups.other ?? 0) + rest;
  return { groups, total: Object.values(groups).reduce((sum, count) => sum + count, 0), hidden };
}
