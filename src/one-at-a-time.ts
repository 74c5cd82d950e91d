/**
 * One run of `work` at a time in this process. A call during a run waits for it and then for one more run, which all calls
 * meanwhile share: whatever was there to do before a call is done when the call resolves. Rejects as the run does that it
 * began or shares; that the run before it failed does not matter to it.
 */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function run(): Promise<void> {
    next = undefined;
    current = work().finally(() => {
      current = undefined;
    });
    return current;
  }

  return () => {
    if (next) return next;
    if (!current) return run();
    next = current.catch(() => undefined).then(run);
    return next;
  };
}
