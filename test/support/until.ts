/** Far more than the slowest machine needs: who waits this long (ms) waits for something that will not come. */
const GIVE_UP_MS = 5 * 60_000;
const LOOK_EVERY_MS = 25;

/** Waits for what comes about by itself, and returns it; a slow machine only makes it come later. */
export async function until<T>(what: () => Promise<T> | T): Promise<Exclude<T, undefined | null | false>> {
  for (const end = Date.now() + GIVE_UP_MS; ; await pause(LOOK_EVERY_MS)) {
    const found = await what();
    if (found) return found as Exclude<T, undefined | null | false>;
    if (Date.now() > end) throw new Error(`it did not come about within ${GIVE_UP_MS / 60_000} minutes: ${what}`);
  }
}

/** Only between two looks, or where the passing of time is itself what is done; never to wait for something. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
