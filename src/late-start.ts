import path from 'node:path';
import type { Logger } from 'pino';
import { compose } from './compose.js';
import { readCatalog } from './config/catalog.js';
import { readPolicy } from './config/policy.js';
import { fingerprintsOf, refuseOtherSecrets } from './config/secrets.js';
import { AwayError } from './config/yaml-file.js';
import { createAliasGroups } from './core/alias-group.js';
import type { Catalog } from './core/catalog.js';
import { createClock } from './core/clock.js';
import { type Machine, sleep } from './core/machine.js';
import type { InstalledEnvironment } from './foundation.js';
import { journalOwner } from './journal-owner.js';
import { createLog } from './logger.js';
import { appendOf } from './preferences/draft.js';
import { createJournal, type Journal } from './preferences/journal.js';
import { createJournalDisk } from './preferences/journal-disk.js';
import { createLinks } from './preferences/links.js';
import { createPrivateParts } from './preferences/private-part.js';
import { portError } from './start-up.js';
import { createClientAddress } from './web/client-address.js';
import { optOutDraft } from './web/public/acts.js';
import { createOneClick, type OneClick, oneClickResult } from './web/public/one-click.js';
import { createWaitingRoom, showResult, type WaitingRoom } from './web/waiting-room.js';

/** Between two tries (ms) to reach what is away. */
const RETRY_EVERY_MS = 2000;

interface Late {
  readonly environment: InstalledEnvironment;
  readonly catalog: Catalog;
  readonly machine: Machine;
  readonly log: Logger;
}

/** The journal of this installation; undefined where there is none, or no start has noted yet whose it is. */
async function ownJournal({ environment, machine, log }: Late): Promise<Journal | undefined> {
  const { journalDir, keyring, secretsFrom } = environment;
  const owner = journalDir === undefined ? undefined : await journalOwner(journalDir);
  if (journalDir === undefined || !owner) return undefined;
  const { randomBytes } = machine;
  refuseOtherSecrets(secretsFrom, fingerprintsOf({ ...keyring, randomBytes }), owner.secrets);
  const disk = createJournalDisk(journalDir);
  const journal = createJournal({ disk, installation: owner.installation, machine, log });
  await journal.check();
  return journal;
}

/** One-click opt-outs straight into a journal, as the write path does while the store is away. */
function journaledOneClick(
  { environment, catalog, machine, log }: Late,
  journal: Journal,
): ReturnType<typeof createOneClick> {
  const keyring = { ...environment.keyring, randomBytes: machine.randomBytes };
  const clock = createClock(machine.now);
  const { mailboxes } = readPolicy(path.join(environment.configDir, 'policy.yaml'));
  const context = {
    keyring,
    clock,
    privateParts: createPrivateParts(keyring),
    aliasGroupOf: createAliasGroups(keyring, mailboxes),
  };
  const links = createLinks({ keyring, catalog, publicUrl: () => environment.publicUrl ?? '' });
  const { phone } = catalog.group;
  const optOut: OneClick['optOut'] = async (link, evidence) => {
    const { item, accepted } = appendOf(context, optOutDraft(link, 'one_click', evidence));
    await journal.write(item);
    return accepted;
  };
  return createOneClick({
    read: (token) => links.read(token, clock.now()),
    optOut,
    page: (request, response) => showResult(response, oneClickResult(request)?.accepted?.id, phone),
    onAcknowledged: () => undefined,
    onFault: (error) => log.error({ err: error }, 'one-click failed'),
    phone,
    clientAddress: createClientAddress(environment.trustProxy),
  });
}

/** Opens the port and answers until `leave`; a worker is only asked whether it lives. */
async function openRoom(late: Late, missing: () => string): Promise<{ leave(): Promise<void> }> {
  const { port, role } = late.environment;
  const journal = role === 'worker' ? undefined : await ownJournal(late);
  const room: WaitingRoom = createWaitingRoom({
    phone: late.catalog.group.phone,
    missing,
    oneClick: journal && journaledOneClick(late, journal),
  });
  await room.listen(port).catch((error: unknown) => {
    throw portError('PORT', port, error);
  });
  return {
    async leave() {
      await room.close();
      // What it keeps is replayed by the start, as what any process left.
      await journal?.close();
    },
  };
}

/**
 * Composes the installation. In production a database that is away is waited for: the port answers meanwhile, what is missing
 * is logged once, and once when it is there. Anything else that is wrong is thrown, as in development.
 */
export async function composeWhenReached(
  environment: InstalledEnvironment,
  { machine, isStopping }: { readonly machine: Machine; readonly isStopping: () => boolean },
): Promise<Awaited<ReturnType<typeof compose>> | undefined> {
  let missing = '';
  let room: Awaited<ReturnType<typeof openRoom>> | undefined;
  const log = createLog(environment.logLevel);
  try {
    while (!isStopping()) {
      try {
        const hush = await compose(environment);
        if (room) log.warn('the database is there: the start goes on');
        return hush;
      } catch (error) {
        if (!environment.production || !(error instanceof AwayError)) throw error;
        if (!room) log.error(`${error.message} It is waited for, and tried every ${RETRY_EVERY_MS / 1000} s.`);
        missing = error.message;
      }
      room ??= await openRoom(
        { environment, catalog: readCatalog(path.join(environment.configDir, 'catalog.yaml')), machine, log },
        () => missing,
      );
      await sleep(machine, RETRY_EVERY_MS);
    }
    return undefined;
  } finally {
    await room?.leave();
  }
}
