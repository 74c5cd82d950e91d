import { Presets, SingleBar } from 'cli-progress';

/** A bar with a phase in words. A terminal gets it, a file nothing. */
export function progressBar(name: string, stream: NodeJS.WriteStream): SingleBar {
  return new SingleBar(
    { format: `${name} {phase} [{bar}] {percentage}% {value}/{total}`, stream, noTTYOutput: false, hideCursor: true },
    Presets.legacy,
  );
}
