/** Sorts the parts of a message into those of a report: words, fields, feedback, and our own message. */
import { header } from './headers.js';
import { type Entity, htmlToText, mediaType, type Part, parameter } from './mime.js';

export interface Report {
  /** The words for people, before our own message. */
  text: string;
  /** Fields of RFC 3464. */
  status: string;
  /** Fields of RFC 5965. */
  feedback: string;
  /** Our own message, or its headers. */
  original: string;
  /** The outer type is multipart/report, RFC 6522. */
  isReport: boolean;
}

const STATUS_TYPES = ['message/delivery-status', 'message/xdelivery-status', 'message/global-delivery-status'];
const ORIGINAL_TYPES = [
  'message/rfc822',
  'message/rfc822-headers',
  'text/rfc822-headers',
  'text/rfc822-header',
  'message/global',
  'message/global-headers',
  'message/partial',
];

export function toReport(entity: Entity): Report {
  const { parts } = entity;
  const isOriginal = (part: Part) => ORIGINAL_TYPES.includes(part.type);
  const firstOriginal = parts.findIndex(isOriginal);
  const before = firstOriginal < 0 ? parts : parts.slice(0, firstOriginal);
  const words = before.filter((part) => part.type === 'text/plain').map((part) => part.text);
  const html = before.filter((part) => part.type === 'text/html').map((part) => htmlToText(part.text));
  const joined = (types: string[]) =>
    parts
      .filter((part) => types.includes(part.type))
      .map((part) => part.text)
      .join('\n\n');
  const text = (words.some((w) => w.trim() !== '') ? words : html).join('\n\n');
  const report: Report = {
    text,
    status: joined(STATUS_TYPES),
    feedback: joined(['message/feedback-report']),
    original: parts[firstOriginal]?.text ?? '',
    isReport: mediaType(header(entity.headers, 'content-type')) === 'multipart/report',
  };
  const declared = parameter(header(entity.headers, 'content-type'), 'report-type').toLowerCase();
  if (report.feedback === '' && declared === 'feedback-report') report.feedback = text;
  return report.status === '' && report.original === '' ? repair(report, entity) : report;
}

/** Reports whose boundaries were lost on the way still name the type of each part in a line of its own. */
function repair(report: Report, entity: Entity): Report {
  const body = report.text.trim() === '' ? entity.rawBody : report.text;
  const marks = /^Content-Type:[ \t]{0,4}(?:message\/rfc822|text\/rfc822-headers|message\/partial)/im.exec(body);
  if (marks === null) return { ...report, text: body };
  const rest = body.slice(marks.index);
  const blank = rest.indexOf('\n\n');
  return { ...report, text: body.slice(0, marks.index), original: blank < 0 ? '' : rest.slice(blank + 2) };
}
