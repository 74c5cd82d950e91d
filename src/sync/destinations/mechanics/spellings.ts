/** Addresses remembered, each a few hundred bytes. */
const MAX_REMEMBERED = 50_000;

/**
 * The letter cases in which a list that tells them apart knows an address, which no mailbox does: as it was put there, by us
 * or by a bounce of a message to another spelling of it. Learnt from what is read there, for as long as the process lives.
 */
export function createSpellings() {
  const seen = new Map<string, Set<string>>();
  return {
    learn(address: string): void {
      const lower = address.toLowerCase();
      if (address === lower || (seen.size >= MAX_REMEMBERED && !seen.has(lower))) return;
      seen.set(lower, (seen.get(lower) ?? new Set()).add(address));
    },

    /** As given, with the domain in lower case, all in lower case, and what was seen there. */
    of(address: string): string[] {
      const cut = address.lastIndexOf('@');
      const lower = address.toLowerCase();
      const likely = [address, `${address.slice(0, cut)}${lower.slice(cut)}`, lower];
      return [...new Set([...likely, ...(seen.get(lower) ?? [])])];
    },
  };
}
