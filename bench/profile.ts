/**
 * The ten largest costs of a CPU profile: `npx tsx bench/profile.ts FILE.cpuprofile [seconds of the start to leave out]`.
 * Node writes one with `node --cpu-prof`. Printed are the functions with the most processor time of their own, the packages and files with the
 * most, and what our own functions cost with all that they call. Shares are of the time in which the process did
 * something.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const LINES = 10;
/** What the profiler calls time without work. */
const IDLE = '(idle)';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      children: z.array(z.number()).default([]),
    }),
  ),
  samples: z.array(z.number()),
  /** Microseconds since the sample before. */
  timeDeltas: z.array(z.number()),
});
type Profile = z.infer<typeof profileSchema>;
type CallFrame = Profile['nodes'][number]['callFrame'];

/** `ejs/lib/esm/ejs.js` for a file of a package, `web/views.js` and `views/ask.ejs` for files of ours. */
function fileOf({ url }: CallFrame): string {
  const [, inPackage] = /.*\/node_modules\/(.+)$/.exec(url) ?? [];
  const [, ours] = /\/(?:dist|src)\/(.+)$/.exec(url) ?? [];
  const [, view] = /\/(views\/.+\.ejs)/.exec(url) ?? [];
  return inPackage ?? ours ?? view ?? (url === '' ? '(native)' : url);
}

/** The package of a file, or the file itself where it is ours or Node's. */
function packageOf(frame: CallFrame): string {
  const file = fileOf(frame);
  if (!frame.url.includes('/node_modules/')) return file;
  return file
    .split('/')
    .slice(0, file.startsWith('@') ? 2 : 1)
    .join('/');
}

const nameOf = (frame: CallFrame): string =>
  `${frame.functionName || '(anonymous)'} ${fileOf(frame)}:${frame.lineNumber + 1}`;

const isOurs = ({ url }: CallFrame): boolean => /\/(dist|src)\//.test(url) && !url.includes('/node_modules/');

/** Microseconds of each node itself, by id, from `after` microseconds on. */
function ownTimes({ samples, timeDeltas }: Profile, after: number): Map<number, number> {
  const own = new Map<number, number>();
  let at = 0;
  samples.forEach((id, index) => {
    const time = timeDeltas[index] ?? 0;
    at += time;
    if (at > after) own.set(id, (own.get(id) ?? 0) + time);
  });
  return own;
}

/** Microseconds of each of our functions with all that it calls; a call within itself counts once. */
function timesWithCalls({ nodes }: Profile, own: ReadonlyMap<number, number>): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const times = new Map<string, number>();
  const isChild = new Set(nodes.flatMap(({ children }) => children));
  function visit(id: number, callers: ReadonlySet<string>): number {
    const node = byId.get(id);
    if (!node) return 0;
    const name = nameOf(node.callFrame);
    const within = new Set(callers).add(name);
    const time = node.children.reduce((sum, child) => sum + visit(child, within), own.get(id) ?? 0);
    if (isOurs(node.callFrame) && !callers.has(name)) times.set(name, (times.get(name) ?? 0) + time);
    return time;
  }
  for (const { id } of nodes) if (!isChild.has(id)) visit(id, new Set());
  return times;
}

function summed(profile: Profile, own: ReadonlyMap<number, number>, by: (frame: CallFrame) => string) {
  const times = new Map<string, number>();
  for (const { id, callFrame } of profile.nodes) {
    if (callFrame.functionName === IDLE) continue;
    times.set(by(callFrame), (times.get(by(callFrame)) ?? 0) + (own.get(id) ?? 0));
  }
  return times;
}

function printLargest(title: string, times: ReadonlyMap<string, number>, busy: number): void {
  console.log(`\n| ${title} | ms | share |\n|---|--:|--:|`);
  for (const [name, time] of [...times].sort(([, a], [, b]) => b - a).slice(0, LINES))
    console.log(`| ${name} | ${Math.round(time / 1000)} | ${((100 * time) / busy).toFixed(1)} % |`);
}

const [file, skip = '0'] = process.argv.slice(2);
if (file === undefined) throw new Error('Name a profile: npx tsx bench/profile.ts FILE.cpuprofile');
const profile = profileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
const own = ownTimes(profile, Number(skip) * 1e6);
const functions = summed(profile, own, nameOf);
const busy = [...functions.values()].reduce((sum, time) => sum + time, 0);
console.log(`${file}: ${Math.round(busy / 1000)} ms of work`);
printLargest('function, own time', functions, busy);
printLargest('package or file, own time', summed(profile, own, packageOf), busy);
printLargest('our function with what it calls', timesWithCalls(profile, own), busy);
