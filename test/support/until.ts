/** Far more than the slowest machine needs: who waits this long (ms) waits for something that will not come. */
const GIVE_UP_MS = 5 * 60_000;
/** Between two looks (ms): soon at first, then a tenth of the time waited so far, because each look takes processor too. */
const FIRST_LOOK_MS = 25;
const LAST_LOOK_MS = 300;

/** Waits for what comes about by itself, and returns it; a slow machine only makes it come later. */
export async function until<T>(what: () => Promise<T> | T): Promise<Exclude<T, undefined | null | false>> {
  const began = Date.now();
  for (;;) {
    const found = await what();
    if (found) return found as Exclude<T, undefined | null | false>;
    const waited = Date.now() - began;
    if (waited > GIVE_UP_MS) throw new Error(`it did not come about within ${GIVE_UP_MS / 60_000} minutes: ${what}`);
    await pause(Math.min(Math.max(FIRST_LOOK_MS, waited / 10), LAST_LOOK_MS));
  }
}

/** Only between two looks, or where the passing of time is itself what is done; never to wait for something. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
