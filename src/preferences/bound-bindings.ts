import type { ContactType } from '../core/contact-point.js';
import type { Scope } from '../core/scope.js';

/** The bindings of all destinations, as far as receipts and pages need to know them. */
export type BoundBindings = readonly {
  readonly destination: string;
  readonly name: string;
  readonly scope: Scope;
  readonly accepts: readonly ContactType[];
}[];
