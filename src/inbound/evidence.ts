import { EVIDENCE_LIMIT } from '../preferences/private-part.js';

/** Evidence without what is absent, its longest texts shortened until the whole fits an event (1 kB as JSON). */
export function truncatedEvidence(facts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const evidence = Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])),
  ) as Record<string, string>;
  while (Buffer.byteLength(JSON.stringify(evidence)) > EVIDENCE_LIMIT) {
    const [longest] = Object.entries(evidence).sort(([, a], [, b]) => b.length - a.length);
    if (!longest) break;
    evidence[longest[0]] = [...longest[1]].slice(0, Math.floor([...longest[1]].length * 0.7)).join('');
  }
  return evidence;
}
