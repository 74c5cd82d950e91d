/** Smallest time (s) told apart, and how much longer each bucket reaches than the one before. */
const FIRST = 0.05;
const RATIO = 1.3;

/** The bucket a time belongs to, as a field name: `b0` up to 50 ms, then a third more with each. */
export function bucketOf(seconds: number): string {
  return `b${seconds <= FIRST ? 0 : Math.ceil(Math.log(seconds / FIRST) / Math.log(RATIO))}`;
}

/** The longest time (s) in a bucket: quantiles are never told shorter than they were. */
export function edgeOf(bucket: string): number {
  return FIRST * RATIO ** Number(bucket.slice(1));
}

export interface Quantiles {
  readonly count: number;
  /** s */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Quantiles of counted buckets, within 30 % above the truth; undefined when nothing was counted. */
export function quantilesOf(buckets: Readonly<Record<string, number>>): Quantiles | undefined {
  const sorted = Object.entries(buckets)
    .map(([name, count]) => ({ edge: edgeOf(name), count }))
    .sort((a, b) => a.edge - b.edge);
  const total = sorted.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  const at = (share: number) => {
    let passed = 0;
    for (const { edge, count } of sorted) {
      passed += count;
      if (passed >= share * total) return edge;
    }
    return sorted.at(-1)?.edge ?? 0;
  };
  return { count: total, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
