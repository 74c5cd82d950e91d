import type { Request } from 'express';
import { longDate } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { HushError } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import { clockFor } from '../../core/request-clock.js';
import type { Links } from '../../preferences/links.js';
import type { Rights } from '../../rights/index.js';
import { UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';
import type { RequestRecord } from '../../store/requests.js';
import type { Bodies } from '../middleware/body-budget.js';
import { uploadsOf } from '../middleware/multipart.js';
import type { Pages } from './pages.js';
import type { Results } from './results.js';
import type { Fault } from './rights-input.js';

export interface RightsPagesParts {
  readonly rights: Rights;
  readonly pages: Pages;
  readonly results: Results;
  readonly links: Links;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  /** Counts a token that was not ours; throws when there were too many from one network. */
  readonly refuse: (request: Request) => Promise<void>;
  /** The network of whoever asks. */
  readonly askerOf: (request: Request) => string;
  /** Keeps room in memory for forms with files. */
  readonly bodies: Pick<Bodies, 'reserve'>;
  /** Counts bytes of files; false when a network has sent too many. */
  readonly admitsUpload: (request: Request, bytes: number) => Promise<boolean>;
  /** Counts a use of the public form; throws when there were too many from one network. */
  readonly countForm: (request: Request) => Promise<void>;
  /** The same, wider, before the body is read: it may be an opt-out. */
  readonly countUnread: (request: Request) => Promise<void>;
  /** The same for an opt-out. */
  readonly countDenial: (request: Request) => Promise<void>;
}

/** The day of a time in the zone that the request's deadline is counted in. */
export function dayOf(policy: Policy, language: string, record: RequestRecord, time: Date): string {
  const { timeZone } = clockFor(policy, record.jurisdiction);
  return longDate(language, time.getTime(), timeZone);
}

/** Why what was sent could not be taken now, in words for whoever sent it. */
export function refusalWords(pages: Pages, request: Request, error: HushError, phone: string): string {
  const kind = error.kind === 'rate_limited' ? 'limited' : error.kind === 'unavailable' ? 'unavailable' : 'broken';
  return pages.context(request).t(`${kind}.text`, { phone });
}

/** What is wrong with the files of a form, each by its name. */
export function fileFaults(pages: Pages, request: Request): Fault[] {
  const { t } = pages.context(request);
  const limit = UPLOAD_LIMIT / 1024 / 1024;
  const wordsOf = ({ kind }: HushError) =>
    kind === 'too_large' ? 'filesTooLarge' : kind === 'rate_limited' ? 'filesBusy' : 'file';
  return uploadsOf(request).flatMap(({ name, fault }) =>
    fault ? [{ field: 'file', message: t(`rights.fault.${wordsOf(fault)}`, { name, limit }) }] : [],
  );
}
