/**
 * Milliseconds of processor that `work` took in this process. Other programs, or a core less, do not make it more, so that a limit
 * with room for a slow machine is never met by a busy one.
 */
export function processorMs(work: () => unknown): number {
  const began = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}
