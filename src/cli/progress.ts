import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../audit/verify.js';

/** Shows on a terminal how far something has come; a file or a pipe gets nothing. */
export function progressOn(out: NodeJS.WriteStream, label: string) {
  const bar = new SingleBar(
    { format: `${label} {bar} {percentage}% {value}/{total}`, hideCursor: true, stream: out, clearOnComplete: true },
    Presets.shades_classic,
  );
  let begun = false;
  return {
    show({ done, total }: Progress): void {
      if (!out.isTTY) return;
      if (!begun) bar.start(total, done);
      begun = true;
      bar.setTotal(total);
      bar.update(done);
    },
    end(): void {
      if (begun) bar.stop();
    },
  };
}
