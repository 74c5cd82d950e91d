import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Configurations } from '../store/configurations.js';
import type { Contacts } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { BoundDestination } from './destination.js';
import type { WorkerTimes } from './task.js';

/** What syncing needs of the rest. */
export interface SyncContext {
  readonly contacts: Contacts;
  readonly states: DestinationStates;
  readonly configurations: Pick<Configurations, 'current'>;
  readonly accept: Pick<Accept, 'accept'>;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly policy: Policy;
  readonly configuration: string;
  /** Of phone numbers that providers give without one. */
  readonly country: string;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
  readonly times: WorkerTimes;
  /** Aborted when this process stops: calls in flight end, and their outcome is unknown. */
  readonly stopping: AbortSignal;
  /** Waits until another call may be made to a destination. */
  readonly pace: (bound: BoundDestination, signal: AbortSignal) => Promise<void>;
  readonly onSynced: (destination: string, contacts: number, secondsSince: readonly number[]) => void;
  readonly onFault: (destination: string, fault: string) => void;
  /** A contact's address is sealed under a root key that this process lacks: it stays pending. */
  readonly onMissingKey: (keyId: number) => void;
}

/** One lease's worth of calls to one destination. */
export interface Round {
  readonly bound: BoundDestination;
  readonly leaseOwner: string;
  /** ms */
  readonly leaseEnd: number;
  /** The provider wants no more calls for now: what is left stays pending. */
  halted: boolean;
}
