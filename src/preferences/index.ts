import type { SyncTarget } from '../core/desired.js';
import { contactKeyText } from '../core/keys.js';
import type { Foundation } from '../foundation.js';
import type { KeyWatch } from '../key-watch.js';
import type { Metrics } from '../metrics.js';
import { createProjector } from '../projection/project.js';
import { createProjectionLoop } from '../projection/projection-loop.js';
import { type Queues, syncQueue } from '../queues.js';
import { createAccept } from './accept.js';
import type { DecisionIndex } from './decision-index.js';
import { createDecisions } from './decisions.js';
import { createJournal } from './journal.js';
import { createLinks } from './links.js';
import { createReceipts } from './receipts.js';
import { createUndo } from './undo.js';

/** What a contact decided: accepted, projected, answered from, linked to and proven. */
export async function createPreferences(
  base: Pick<
    Foundation,
    | 'stores'
    | 'keyring'
    | 'privateParts'
    | 'aliasGroupOf'
    | 'catalog'
    | 'policy'
    | 'configuration'
    | 'clock'
    | 'machine'
    | 'journalDisk'
    | 'installationId'
    | 'publicUrl'
    | 'sweepMs'
    | 'log'
  > & {
    readonly destinations: readonly SyncTarget[];
    readonly queues: Pick<Queues, 'add'>;
    readonly keyWatch: Pick<KeyWatch, 'note'>;
    readonly metrics: Pick<Metrics, 'projected' | 'unopened' | 'decided'>;
    /** In memory, for questions about many contacts; started by whoever has it. */
    readonly decisionIndex?: Pick<DecisionIndex, 'current'>;
    /** Contacts of one question from which on it is asked. */
    readonly indexFrom?: number | undefined;
  },
) {
  const {
    stores,
    keyring,
    catalog,
    policy,
    configuration,
    destinations,
    clock,
    machine,
    log,
    keyWatch,
    queues,
    metrics,
  } = base;
  const { privateParts, aliasGroupOf } = base;
  const { contacts, ledger, persons, writerIds } = stores;
  const projector = createProjector({
    contacts,
    ledger,
    privateParts,
    policy,
    configuration,
    aliasGroupOf,
    clock,
    destinations,
    onPending: (names) => {
      for (const name of names) queues.add(syncQueue(name));
    },
    onProjected: (_contacts, lag) => metrics.projected(lag),
    onMissingKey: keyWatch.note,
    onBrokenSeal: (contact) =>
      log.error({ contact: contactKeyText(contact) }, 'the data key of a contact does not open; it is left as it is'),
  });
  const projection = createProjectionLoop({
    projector,
    contacts,
    log,
    machine,
    onUnopened: metrics.unopened,
    ...(base.sweepMs === undefined ? {} : { sweepMs: base.sweepMs }),
  });
  const { journalDisk: disk, installationId: installation } = base;
  const journal = disk && createJournal({ disk, installation, machine, log });
  await journal?.check();
  const accept = createAccept({
    contacts,
    persons,
    writerIds,
    keyring,
    privateParts,
    aliasGroupOf,
    clock,
    machine,
    projection,
    journal,
  });
  return {
    accept,
    projector,
    projection,
    journal,
    decisions: createDecisions({
      contacts,
      ledger,
      catalog,
      policy,
      aliasGroupOf,
      clock,
      machine,
      onDecision: metrics.decided,
      ...(base.decisionIndex ? { index: base.decisionIndex } : {}),
      ...(base.indexFrom === undefined ? {} : { indexFrom: base.indexFrom }),
      ...(journal ? { isBehind: journal.holds } : {}),
    }),
    links: createLinks({ keyring, catalog, publicUrl: base.publicUrl }),
    receipts: createReceipts({ contacts, ledger, destinations, privateParts, machine }),
    undo: createUndo({ contacts, ledger, persons, clock, machine }),

    /** Appends to the store what the journal keeps. */
    async replayJournal(): Promise<void> {
      if (journal) await journal.replay(accept.append);
    },
  };
}

export type Preferences = Awaited<ReturnType<typeof createPreferences>>;
