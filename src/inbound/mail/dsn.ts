/** Delivery status notifications: RFC 3464 fields, RFC 6533 for international addresses. */
import { findAddress, recipientAddress } from './address.js';

/** The fields of one recipient (RFC 3464 §2.3). */
export interface StatusGroup {
  address: string;
  action?: string;
  status?: string;
  diagnostic: string;
  diagnosticType?: string;
  remoteMta?: string;
  reportingMta?: string;
  /** X-PowerMTA-BounceCategory. */
  category?: string;
}

const KNOWN =
  /^(action|arrival-date|diagnostic-code|final-recipient|last-attempt-date|original-recipient|received-from-mta|remote-mta|reporting-mta|status|x-actual-recipient|x-powermta-bouncecategory|[a-z][a-z0-9-]{1,60}):/i;
/** RFC 5321 §4.5.3.1.8: a server need not take more recipients at once. */
const MAX_RECIPIENTS = 100;

/** Whether the text has the one field no DSN lacks. */
export function hasStatusFields(text: string): boolean {
  return /^(?:Final|Original)-Recipient:/im.test(text);
}

/**
 * Reads groups of fields. Blank lines end a group, and so does a second Final-Recipient, for reports that lost theirs.
 * Continuation lines need their leading blank; lines that are no field are skipped, so MIME debris does no harm.
 */
export function readStatusGroups(text: string): StatusGroup[] {
  const perMessage = new Map<string, string>();
  const groups: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  let lastField = '';
  for (const line of text.split('\n')) {
    if (/^[ \t]/.test(line)) {
      const target = current ?? perMessage;
      if (lastField !== '') target.set(lastField, `${target.get(lastField) ?? ''} ${line.trim()}`.slice(0, 8000));
      continue;
    }
    const name = KNOWN.exec(line)?.[1]?.toLowerCase();
    if (name === undefined) {
      if (line.trim() === '' && current?.has('final-recipient')) current = undefined;
      lastField = '';
      continue;
    }
    const startsGroup = name === 'final-recipient' || name === 'original-recipient' || name === 'x-actual-recipient';
    if (startsGroup && (current === undefined || current.has(name))) {
      if (groups.length >= MAX_RECIPIENTS) break;
      current = new Map();
      groups.push(current);
    }
    const target = current ?? perMessage;
    lastField = target.has(name) ? '' : name;
    if (lastField !== '') target.set(name, line.slice(line.indexOf(':') + 1).trim());
  }
  return groups.flatMap((fields) => toGroup(fields, perMessage));
}

function toGroup(fields: Map<string, string>, perMessage: Map<string, string>): StatusGroup[] {
  const get = (name: string) => fields.get(name) ?? perMessage.get(name);
  const address = ['final-recipient', 'original-recipient', 'x-actual-recipient']
    .map((name) => recipientAddress(fields.get(name) ?? ''))
    .find((found) => found !== undefined);
  const { type, text } = diagnosticOf(get('diagnostic-code') ?? '');
  const fallback = address ?? findAddress(text);
  if (fallback === undefined) return [];
  const { code, comment } = statusOf(get('status') ?? '');
  const group: StatusGroup = { address: fallback, diagnostic: `${text} ${comment}`.trim() };
  const action = actionOf(get('action') ?? '');
  if (action !== undefined) group.action = action;
  if (code !== undefined) group.status = code;
  if (type !== '') group.diagnosticType = type;
  const remote = hostOf(get('remote-mta'));
  if (remote !== undefined) group.remoteMta = remote;
  const reporting = hostOf(get('reporting-mta'));
  if (reporting !== undefined) group.reportingMta = reporting;
  const category = get('x-powermta-bouncecategory');
  if (category !== undefined) group.category = category.toLowerCase();
  return [group];
}

function diagnosticOf(field: string): { type: string; text: string } {
  const match = /^\s*([A-Za-z][A-Za-z0-9-]{1,20})\s?;/.exec(field);
  return match === null
    ? { type: '', text: field }
    : { type: match[1]!.toLowerCase().replace('x-postfix', 'smtp'), text: field.slice(match[0].length).trim() };
}

function statusOf(field: string): { code?: string; comment: string } {
  const match = /^\s*([245]\.\d{1,3}\.\d{1,3})\s*(?:\((.{0,500})\))?/.exec(field);
  return match === null ? { comment: '' } : { code: match[1]!, comment: match[2] ?? '' };
}

/** RFC 3464 §2.3.3 has five actions; some servers invent others. */
const ACTIONS = new Map([
  ['failed', 'failed'],
  ['failure', 'failed'],
  ['delayed', 'delayed'],
  ['expired', 'delayed'],
  ['delivered', 'delivered'],
  ['deliverable', 'delivered'],
  ['relayed', 'relayed'],
  ['expanded', 'expanded'],
]);

function actionOf(field: string): string | undefined {
  return ACTIONS.get(/^\s*([a-z]+)/i.exec(field)?.[1]?.toLowerCase() ?? '');
}

function hostOf(field: string | undefined): string | undefined {
  if (field === undefined) return undefined;
  const name = field
    .slice(field.indexOf(';') + 1)
    .trim()
    .split(/[\s(]/, 1)[0]!
    .toLowerCase();
  return name === '' ? undefined : name;
}
