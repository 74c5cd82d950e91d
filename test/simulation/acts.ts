import type { Mood } from './provider.js';

/** What somebody does, `at` ms after the beginning. `contact` is an index into `POINTS`. */
export type Act = { readonly at: number } & (
  | {
      readonly kind: 'one_click' | 'stop_all' | 'opt_in' | 'consent' | 'undo' | 'erase';
      readonly contact: number;
      readonly brand: Brand;
    }
  | { readonly kind: 'pause'; readonly contact: number; readonly brand: Brand; readonly forMs: number }
  /** A writer sends an event under an id of its own until it is acknowledged; `copies` of it at once. */
  | {
      readonly kind: 'write';
      readonly contact: number;
      readonly brand: Brand;
      readonly type: WrittenType;
      /** Of an opt-out: one topic of so many; 0 for all of them. What only one event denies shows when that one is missing. */
      readonly topic: number;
      readonly copies: number;
      readonly late: number;
    }
  | { readonly kind: 'join'; readonly contact: number; readonly other: number }
  | { readonly kind: 'ask'; readonly contact: number; readonly question: number }
  | { readonly kind: 'request_lift'; readonly contact: number; readonly brand: Brand }
  | { readonly kind: 'confirm_lift' }
  | { readonly kind: 'import'; readonly contacts: readonly number[]; readonly list: number }
  | {
      readonly kind: 'unsubscribe_there';
      readonly contact: number;
      readonly binding: string;
      readonly complains?: boolean;
    }
  | { readonly kind: 'reconcile' }
);
export type Brand = 'jmf' | 'shipping' | '*';
export type WrittenType = 'opted_out' | 'opted_in' | 'objected' | 'complained';

/** What goes wrong, `at` ms after the beginning. `process` is counted among all, webs first. */
export type Fault = { readonly at: number } & (
  | { readonly kind: 'kill'; readonly process: number; readonly downMs: number }
  | { readonly kind: 'pause'; readonly process: number; readonly forMs: number }
  /** The database does not hear of one process, and the other way round. */
  | { readonly kind: 'cut_off'; readonly process: number; readonly forMs: number }
  /** Writing to the journal's disk fails with this chance. */
  | { readonly kind: 'disk'; readonly chance: number; readonly forMs: number }
  | { readonly kind: 'fail_over'; readonly downMs: number }
  | {
      readonly kind: 'network';
      readonly loss: number;
      readonly slowness: number;
      readonly slow: number;
      readonly lag: number;
      readonly forMs: number;
    }
  | { readonly kind: 'provider'; readonly provider: number; readonly mood: Mood; readonly forMs: number }
  | { readonly kind: 'clock'; readonly process: number; readonly byMs: number }
  | { readonly kind: 'forget_jobs'; readonly forMs: number }
  /**
   * One process after the other is started again: with the new root known, then with the new root in use. Carelessly: with the
   * new root in use at once, which the others do not know yet.
   */
  | { readonly kind: 'rotate'; readonly carelessly?: boolean }
  /** The catalog has one binding more: the same for one process after the other. */
  | { readonly kind: 'reconfigure' }
);

/** All that one run is made of. The same scenario runs in the same way. */
export interface Scenario {
  /** Decides how long everything takes, and what the providers' and the network's chances come to. */
  readonly chance: number;
  readonly webs: number;
  readonly workers: number;
  readonly acts: readonly Act[];
  readonly faults: readonly Fault[];
}

/** Longest part (ms) in which things happen and go wrong. */
export const HORIZON_MS = 7000;
