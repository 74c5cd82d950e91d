import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import type { SourceKind } from '../core/event.js';
import { wholeScope } from '../core/scope.js';
import type { Accept } from '../preferences/accept.js';
import type { Draft } from '../preferences/draft.js';
import { unavailable } from '../store/connect.js';
import type { Replays } from '../store/replays.js';
import type { Destination, InboundRequest, Report } from '../sync/destination.js';
import { providerAddress } from '../sync/provider-address.js';

/** What a provider may send us, and where it comes from. */
export interface Reporting {
  readonly name: string;
  readonly destination: Destination;
  readonly reportsAs: SourceKind;
}

export interface WebhookResult {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const EMPTY: WebhookResult = { status: 200, type: 'text/plain', body: '' };
/** A provider's clock may be ahead by so much (ms) before its time is not believed. */
const AHEAD = 5 * 60_000;
/** Bytes that are read of a request whose signature can only be checked over its body. SendGrid, the largest, sends 768 kB. */
const UNPROVEN_BYTES = 1024 * 1024;

/** One report as an event. A provider's hard bounce is soft where the words blame the sender; what it takes back lifts only what came through that provider. */
export function draftOf(
  report: Report,
  from: Pick<Reporting, 'name' | 'reportsAs'>,
  point: ContactPoint,
  now: number,
  blamesSender: (diagnostic: string) => boolean,
): Draft {
  const grants = report.type === 'opted_in' || report.type === 'consent_granted';
  const scoped = report.type === 'opted_out' || report.type === 'paused' || grants;
  return {
    subject: { point },
    type: report.type,
    at: report.at > now + AHEAD ? now : report.at,
    source: { kind: from.reportsAs, destination: from.name },
    writer: { name: `hook:${from.name}`, id: report.id },
    ...(scoped ? { scope: wholeScope({ channel: 'email', purpose: 'marketing', ...report.scope }) } : {}),
    ...(grants ? { lifts: 'same_source' as const } : {}),
    ...(report.kind === undefined ? {} : { kind: blamesSender(report.diagnostic ?? '') ? 'soft' : report.kind }),
    ...(report.evidence === undefined ? {} : { evidence: report.evidence }),
  };
}

/** Takes what outside systems report: the signature first, then each report as an event. Duplicates and disorder are normal. */
export function createWebhooksIn(parts: {
  readonly reporting: readonly Reporting[];
  readonly accept: Accept;
  readonly replays: Replays;
  readonly clock: Clock;
  readonly country: string;
  readonly log: Logger;
  /** Whether what a server said blames the sender, the message or the moment: such a bounce says nothing of the address. */
  readonly blamesSender: (diagnostic: string) => boolean;
  readonly onReceived: (destination: string, kind: string, count: number) => void;
}) {
  const { accept, replays, clock, log } = parts;
  const byName = new Map(parts.reporting.map((item) => [item.name, item]));

  function named(name: string): Reporting & { readonly receive: NonNullable<Destination['receive']> } {
    const from = byName.get(name);
    if (!from?.destination.receive) {
      throw new HushError('not_found', 'nothing here takes reports under this name', {
        remedy: 'the path is /hooks/ and the name of a destination in config/catalog.yaml',
      });
    }
    return { ...from, receive: from.destination.receive.bind(from.destination) };
  }

  return {
    /**
     * What can be said of a request before its body is read. Throws HushError: `not_found`, or `unauthorized` where the sender
     * proves itself outside the body and has not.
     */
    admit(name: string, head: Omit<InboundRequest, 'body'>): { isProven: boolean; unprovenBytes: number } {
      const { destination } = named(name);
      const isProven = destination.admit?.(head) ?? false;
      return { isProven, unprovenBytes: destination.unprovenBytes ?? UNPROVEN_BYTES };
    },

    /** Throws HushError: `not_found` for a destination that reports nothing, `unauthorized` for a request that is not genuine. */
    async receive(name: string, request: InboundRequest): Promise<WebhookResult> {
      const from = named(name);
      const now = clock.now();
      const received = await from.receive(request, now);
      if (received.replayKey !== undefined) {
        const content = received.replayContent ?? '';
        const until = now + (received.replayFor ?? 86_400) * 1000;
        const claim = await replays.claim(`${name}:${received.replayKey}`, content, until).catch((error: unknown) => {
          throw unavailable(error);
        });
        if (claim !== 'first') parts.onReceived(name, 'replayed', 1);
        if (claim === 'other') {
          throw new HushError('unauthorized', 'this signature was used before for something else', {
            remedy: 'send every event under a signature of its own',
          });
        }
      }
      const drafts = received.reports.flatMap((report) => {
        const { type, value } = report.address;
        const point = type === 'postal' ? undefined : providerAddress(type, value, parts.country);
        if (!point) parts.onReceived(name, 'no_address', 1);
        return point ? [draftOf(report, from, point, now, parts.blamesSender)] : [];
      });
      const results = await accept.acceptAll(drafts);
      const failed = results.find(
        (result): result is Error =>
          result instanceof Error && !(result instanceof HushError && result.kind !== 'unavailable'),
      );
      // The provider sends it again: what was accepted has an id and is not recorded twice.
      if (failed) throw failed;
      for (const [index, result] of results.entries()) {
        parts.onReceived(name, result instanceof Error ? 'refused' : (drafts[index]?.type ?? 'unknown'), 1);
      }
      for (const kind of received.unknown) parts.onReceived(name, 'unknown', kind.length > 0 ? 1 : 0);
      if (received.unknown.length > 0)
        log.info(
          { destination: name, kinds: [...new Set(received.unknown)].slice(0, 10).map((kind) => kind.slice(0, 40)) },
          'unknown kinds reported',
        );
      return received.answer ?? EMPTY;
    },
  };
}

export type WebhooksIn = ReturnType<typeof createWebhooksIn>;
