/** Waits for what comes about by itself, and throws when it has not within `ms`. */
export function untilWithin(ms: number): (what: () => boolean | Promise<boolean>) => Promise<void> {
  return async (what) => {
    const end = Date.now() + ms;
    while (!(await what())) {
      if (Date.now() > end) throw new Error('it did not come about in time');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
}
