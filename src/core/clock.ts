/** Time and order of recording come in as arguments; core never asks the machine. */
export interface Clock {
  /** Milliseconds since 1970, corrected against the database. */
  now(): number;
  /** A number larger than every one given before by this clock: milliseconds × 1,024 plus a counter. */
  recorded(): number;
}

/** Milliseconds of a `recorded` number. */
export function recordedAt(recorded: number): number {
  return Math.floor(recorded / 1024);
}

export function createClock(machine: () => number): Clock & { correct(offset: number): void } {
  let offset = 0;
  let last = 0;
  const now = () => Math.round(machine() + offset);
  return {
    now,
    recorded() {
      last = Math.max(now() * 1024, last + 1);
      return last;
    },
    /** Milliseconds to add to the machine's clock. */
    correct(correction) {
      offset = correction;
    },
  };
}
