/**
 * Self-clocking group commit: one write in flight, what arrives meanwhile is the next. At one caller at a time it costs
 * nothing; under load each write carries as many events as arrived during the one before. No timer: a fixed wait loses
 * two thirds of the rate with one caller (measured, see docs/performance.md).
 */
export function createGroupCommit<Item, Result>(
  write: (items: readonly Item[]) => Promise<readonly Result[]>,
  options: {
    readonly largest?: number;
    /** True for an error that those who wait would get too: they are told now, not after a failed write of their own. */
    readonly concernsAll?: (error: unknown) => boolean;
  } = {},
): (item: Item) => Promise<Result> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }
  const { largest = 500, concernsAll = () => false } = options;
  let waiting: Waiting[] = [];
  let writing = false;

  async function drain(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const group = waiting.slice(0, largest);
      waiting = waiting.slice(largest);
      try {
        const results = await write(group.map(({ item }) => item));
        for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
      } catch (error) {
        const failed = concernsAll(error) ? [...group, ...waiting] : group;
        if (failed !== group) waiting = [];
        for (const { reject } of failed) reject(error);
      }
    }
    writing = false;
  }

  return (item) =>
    new Promise<Result>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!writing) void drain();
    });
}
