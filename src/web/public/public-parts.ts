import type { Request } from 'express';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { Keyring } from '../../core/keys.js';
import type { Accept } from '../../preferences/accept.js';
import type { Consents } from '../../preferences/consents.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { EarlierStop } from '../../preferences/earlier-stop.js';
import type { Links } from '../../preferences/links.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { Pages } from './pages.js';
import type { Results } from './results.js';

export interface PublicParts {
  readonly pages: Pages;
  readonly links: Links;
  readonly results: Results;
  readonly earlierStop: EarlierStop;
  readonly accept: Accept;
  readonly decisions: Decisions;
  readonly consents: Consents;
  readonly catalog: Catalog;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly post: Post;
  readonly publicUrl: () => string;
  readonly evidenceOf: (request: Request) => Record<string, string>;
  readonly refuse: (request: Request) => Promise<void>;
  /** The network of whoever asks. */
  readonly askerOf: (request: Request) => string;
  /** Counts a use of the public form; throws when there were too many from one network. */
  readonly countForm: (request: Request) => Promise<void>;
  /** The same for an opt-out by form. */
  readonly countDenial: (request: Request) => Promise<void>;
}
