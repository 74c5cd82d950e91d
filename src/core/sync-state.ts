/** What was synced of a contact to a binding of a destination. */
export interface SyncedBinding {
  readonly suppressed: boolean;
  /** ms */
  readonly at: number;
  readonly status: 'accepted' | 'in_force';
  readonly event?: string;
}
/** What was synced of a contact to a destination. */
export interface SyncedState {
  readonly bindings: Readonly<Record<string, SyncedBinding>>;
  readonly version: number;
  readonly configuration: string;
  /** ms; when a lift was last begun. */
  readonly liftedAt?: number;
  /** The last call whose outcome was never learned: when that was (ms), and the state it asked for. It may land late. */
  readonly stalled?: { readonly at: number; readonly desired: string };
  /** The provider refuses this address: not sent again until the desired state is another. */
  readonly parked?: { readonly desired: string; readonly why: string; readonly at: number };
}

/** Says that a destination may not know the latest: cleared only for the version that was sent. */
export interface PendingSync {
  readonly destination: string;
  readonly version: number;
  /** ms; not due before. While a worker has it: the end of its lease. */
  readonly due: number;
  /** ms; since when it is pending. */
  readonly since: number;
  /** Lease of the worker that has it. */
  readonly leaseOwner?: string;
  /**
   * Bindings whose state at the provider is uncertain, because a call may have reached it without being recorded, or a
   * comparison found something else there. A denial is sent again; what is allowed is lifted, because the entry there is ours.
   */
  readonly uncertainBindings?: readonly string[];
  /** The state that the call of unknown outcome asked for. */
  readonly attempted?: string;
  /** Nobody waits for it: it comes from a re-evaluation, a comparison or the clock. What was just said goes first. */
  readonly backfill?: boolean;
  /** The state is synced; it is to be asserted once more after a lift's deadline. */
  readonly reassert?: boolean;
  readonly failures?: number;
}

/** A pending sync as the projector makes it: lease and attempts are the worker's. */
export type NewPendingSync = Pick<PendingSync, 'destination' | 'version' | 'due' | 'since' | 'backfill'>;
