/**
 * What a process asks of the machine it runs on: time, timers and chance. Everything between a request and a provider
 * gets them as an argument, so that a simulation can decide them (`docs/simulation.md`).
 */
export interface Machine {
  /** Milliseconds since 1970 by the machine's own clock, which may be wrong and may jump. */
  now(): number;
  /** Milliseconds since some moment, never fewer than before: for lengths of time. */
  elapsed(): number;
  /** Calls once, after so many milliseconds. */
  after(ms: number, call: () => void): Timer;
  /** Resolves when everything that is ready to run has had its turn. */
  yieldTurn(): Promise<void>;
  randomBytes(size: number): Buffer;
  /** At least 0, less than 1. */
  random(): number;
}

export interface Timer {
  /** The call is not made any more. */
  cancel(): void;
  /** The process may end before the call. */
  unref(): void;
}

/** Resolves after so many milliseconds. */
export function sleep(machine: Pick<Machine, 'after'>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    machine.after(ms, resolve);
  });
}

/** A signal that aborts after so many milliseconds, as `AbortSignal.timeout` does. */
export function abortAfter(machine: Pick<Machine, 'after'>, ms: number): AbortSignal {
  const controller = new AbortController();
  machine.after(ms, () => controller.abort(new DOMException('not done in time', 'TimeoutError'))).unref();
  return controller.signal;
}

/** A name for whoever takes a lease, which nobody else has. */
export function leaseOwner(machine: Pick<Machine, 'randomBytes'>): string {
  return machine.randomBytes(12).toString('hex');
}
