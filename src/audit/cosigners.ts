import { parseSignatureLine } from '../core/note.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';

/** Names of the witnesses whose cosignatures a checkpoint has; each was verified before it was kept. */
export function cosigners({ cosignatures }: Pick<StoredCheckpoint, 'cosignatures'>): string[] {
  return cosignatures.flatMap((line) => parseSignatureLine(line.trimEnd())?.name ?? []);
}
