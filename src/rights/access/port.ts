/** How the person gets what we hold. */
export type Delivery =
  | { readonly way: 'download' }
  | { readonly way: 'openpgp'; readonly publicKey: string; readonly email: string }
  | { readonly way: 'print' };

export const PACKAGE_STATES = ['gathering', 'ready', 'delivered', 'failed'] as const;
export type PackageState = (typeof PACKAGE_STATES)[number];

/** What is to be gathered, and how it is to be handed over. */
export interface PackageRequest {
  /** `q_…` */
  readonly id: string;
  /** Keys of the contacts that were verified. */
  readonly contacts: readonly Buffer[];
  readonly language: string;
  readonly brand: string;
  readonly delivery: Delivery;
}

/** What an access request needs of the part that gathers what is held and hands it over. */
export interface AccessPackages {
  /** Begins to gather; asking again for the same request answers with the package there is. */
  prepare(request: PackageRequest, by: string): Promise<{ readonly id: string; readonly state: PackageState }>;
  status(id: string): Promise<{ readonly id: string; readonly state: PackageState; readonly at?: number } | undefined>;
}
