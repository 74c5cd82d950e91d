/** From the codes and words of a server to a reason, and from the reason to `hard` or `soft`. */
import type { BounceRules, Step } from './rules.js';
import { findHosts, findReply, findStage, findStatus, preferStatus, type Stage } from './status.js';

/** What is known of one failed delivery. */
export interface Failure {
  address: string;
  /** What the server said, or what the report says in its place. */
  diagnostic: string;
  /** Status field of a DSN. */
  status?: string | undefined;
  action?: string | undefined;
  stage?: Stage | undefined;
  /** Type of the Diagnostic-Code, in lower case: smtp, x-unix … */
  diagnosticType?: string | undefined;
  /** What the format of the report already says; a vague hint gives way to the words. */
  hint?: string | undefined;
  /** Remote-MTA (empty if unknown), then Reporting-MTA. */
  hosts?: readonly string[];
}

export interface Verdict {
  kind: 'hard' | 'soft';
  reason: string;
  status?: string | undefined;
}

/**
 * Decides one failure. The order: a definite hint of the format; the local delivery agent that spoke; the host's own wording;
 * the steps of the rules; then, for what is left, the status code and a second look at the words.
 */
export function classify(failure: Failure, rules: BounceRules): Verdict {
  const text = failure.diagnostic.slice(0, 20_000);
  const spoken = findStatus(text);
  const reply = findReply(text, spoken ?? failure.status);
  const status = spoken === undefined ? failure.status : preferStatus(failure.status, spoken, reply);
  const facts: Facts = {
    lower: text.toLowerCase(),
    status,
    reply,
    stage: failure.stage ?? findStage(text),
    statusMeans: rules.statusReason(status),
    hint: hintBeside(status, failure.hint, rules),
    isSmtp: failure.diagnosticType === undefined || failure.diagnosticType === 'smtp',
  };
  const likely = reasonOf({ ...failure, hint: facts.hint }, facts, rules);
  const silences = rules.hard.has(likely) || rules.hardUnlessTemporary.has(likely);
  const reason = silences && rules.blamesSender(text) ? 'rejected' : likely;
  const temporary = isTemporary(facts);
  const permanent = rules.hard.has(reason) || (rules.hardUnlessTemporary.has(reason) && !temporary);
  // RFC 3464 §2.3.3: a delayed message is still being tried.
  const hard = permanent && failure.action !== 'delayed';
  return { kind: hard ? 'hard' : 'soft', reason, status };
}

interface Facts {
  lower: string;
  status: string | undefined;
  reply: string | undefined;
  stage: Stage | undefined;
  statusMeans: string | undefined;
  hint: string | undefined;
  isSmtp: boolean;
}

/** A hint that would silence somebody gives way to a precise status code that says otherwise. */
function hintBeside(status: string | undefined, hint: string | undefined, rules: BounceRules): string | undefined {
  const silences = hint !== undefined && (rules.hard.has(hint) || rules.hardUnlessTemporary.has(hint));
  const means = rules.statusReason(status);
  if (!silences || means === undefined || status?.includes('.0')) return hint;
  return rules.hard.has(means) || rules.hardUnlessTemporary.has(means) ? hint : means;
}

/** Whether a reason says more than that something failed. */
export function isDefinite(reason: string | undefined): reason is string {
  return reason !== undefined && reason !== '' && reason !== 'onhold' && reason !== 'undefined';
}

function reasonOf(failure: Failure, facts: Facts, rules: BounceRules): string {
  if (isDefinite(failure.hint) && !rules.vague.has(failure.hint)) return failure.hint;
  const byWords =
    ofAgent(facts, rules) ?? ofHost(failure, facts, rules) ?? (facts.isSmtp ? ofSteps(facts, rules) : undefined);
  if (byWords !== undefined) return byWords;
  if (isDefinite(failure.hint)) return failure.hint;
  return ofLastLook(failure, facts, rules) ?? (facts.lower.trim() === '' ? 'undefined' : 'onhold');
}

function ofAgent(facts: Facts, rules: BounceRules): string | undefined {
  if (facts.stage !== undefined && facts.stage !== 'DATA') return undefined;
  const agent = rules.agents.find((a) => a.signs.some((sign) => sign.in(facts.lower)));
  if (agent === undefined) return undefined;
  return agent.reasons.find((r) => r.phrases.some((p) => p.in(facts.lower)))?.reason ?? 'mailererror';
}

function ofHost(failure: Failure, facts: Facts, rules: BounceRules): string | undefined {
  const domain = failure.address.slice(failure.address.lastIndexOf('@') + 1).toLowerCase();
  const [remote, ...others] = failure.hosts ?? [];
  const names = [domain, remote ?? '', ...findHosts(facts.lower), ...others];
  for (const name of names) {
    const host = rules.hosts.find((h) =>
      h.suffixes.some((s) => name.endsWith(s) || (name === domain && s.endsWith(`.${name}`))),
    );
    if (host === undefined) continue;
    return host.phrases.find((p) => p.applies(facts) && p.phrase.in(facts.lower))?.reason;
  }
  return undefined;
}

function ofSteps(facts: Facts, rules: BounceRules): string | undefined {
  return rules.steps.find((step) => stepApplies(step, facts, rules))?.reason;
}

function stepApplies(step: Step, facts: Facts, rules: BounceRules): boolean {
  const meaning = facts.statusMeans ?? 'none';
  if (facts.hint !== undefined && step.hintNot.includes(facts.hint)) return false;
  if (step.reason === facts.hint) return true;
  if (facts.stage !== undefined && step.notStages.includes(facts.stage)) return false;
  if (step.stages !== undefined && (facts.stage === undefined || !step.stages.includes(facts.stage))) return false;
  if (step.statusMeans !== undefined && !step.statusMeans.includes(meaning)) return false;
  if (step.statusNot.includes(meaning)) return false;
  if (step.unlessPhrases.some((name) => rules.says(name, facts.lower))) return false;
  return (
    (step.byStatus && meaning === step.reason) ||
    (facts.reply !== undefined && step.byReply.includes(facts.reply)) ||
    step.byPhrases.some((name) => rules.says(name, facts.lower))
  );
}

/** What the status code alone means, after a second look at the words; RFC 3463 subjects last. */
function ofLastLook(failure: Failure, facts: Facts, rules: BounceRules): string | undefined {
  const byStatus = facts.statusMeans;
  if (byStatus === undefined || rules.vague.has(byStatus) || facts.isSmtp) {
    const phrase = rules.lastPhrases.find((reason) => rules.says(reason, facts.lower));
    if (phrase !== undefined) return phrase;
  }
  if (byStatus !== undefined) return byStatus;
  if (/^[45]\.6\./.test(facts.status ?? '')) return 'contenterror';
  if (/^[45]\.7\./.test(facts.status ?? '')) return 'securityerror';
  if (failure.diagnosticType === 'x-unix') return 'mailererror';
  if (/^[45]0[1-7]$/.test(facts.reply ?? '')) return 'syntaxerror';
  if (failure.action === 'delayed') return 'expired';
  if (facts.stage === 'EHLO') return 'blocked';
  return undefined;
}

/** RFC 3463 §2: class 4 may pass. A report without a code that says "temporary" counts too. */
function isTemporary(facts: Facts): boolean {
  const code = facts.status ?? facts.reply;
  if (code !== undefined) return code.startsWith('4');
  return facts.lower.includes(' temporar') || facts.lower.includes(' persistent');
}
