/** What an API key may be allowed to do. */
export const KEY_SCOPES = [
  'events',
  'decisions',
  'links',
  'contacts',
  'consents',
  'receipts',
  'suppressions',
  'export',
  'lift',
  'erase',
  'imports',
  'changes',
  'destinations',
  'webhooks',
  'inbound',
  'requests',
] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];
