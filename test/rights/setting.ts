import { normaliseContact } from '../../src/core/contact-point.js';
import type { RequestKind } from '../../src/core/request.js';
import type { NewRequest } from '../../src/rights/requests/intake.js';
import { type By, PERSON } from '../../src/rights/requests/records.js';
import type { RequestRecord } from '../../src/store/requests.js';
import { type Hush, type HushOptions, startHush } from '../support/hush.js';

export const OFFICER: By = { id: 'staff officer', name: 'Olga Ruiz' };
export const DAY = 86_400_000;

/** An installation whose clock the test moves. */
export async function startWithClock(options: HushOptions = {}) {
  const time = { now: Date.parse('2026-01-10T18:00:00Z') };
  const hush = await startHush({ machineTime: () => time.now, ...options });
  return { hush, time };
}

export const email = (address: string) => ({ point: normaliseContact({ email: address }, 'US') });

/** A request as the form gives it. */
export function ask(hush: Hush, kind: RequestKind, address: string, more: Partial<NewRequest> = {}, by = PERSON) {
  return hush.hush.rights.intake.receive(
    { kind, way: 'form', contacts: [email(address)], language: 'en', name: 'Ana Doe', ...more },
    by,
  );
}

/** Mails sent so far to an address, oldest first, as text. */
export async function mailsTo(hush: Hush, address: string): Promise<string[]> {
  await hush.hush.outbox.settle();
  const { mailbox } = hush.hush.stores;
  const lines = (await mailbox.list()).filter(({ to }) => to === address).reverse();
  const raws = await Promise.all(lines.map(async ({ id }) => (await mailbox.get(id))?.raw.toString('utf8') ?? ''));
  return raws.map((raw) => raw.replace(/=\r?\n/g, '').replace(/=3D/g, '='));
}

/** The token of the last link of a kind of page in a mail. */
export function tokenIn(mail: string | undefined): string {
  const found = /\/rights\/([A-Za-z0-9_-]{40,})/.exec(mail ?? '');
  if (!found?.[1]) throw new Error('the mail has no link');
  return found[1];
}

/** The token of the page of a request: in a mail that asks to confirm, that link stands last. */
export function statusTokenIn(mail: string | undefined): string {
  const found = [...(mail ?? '').matchAll(/\/rights\/([A-Za-z0-9_-]{40,})/g)].at(-1);
  if (!found?.[1]) throw new Error('the mail has no link');
  return found[1];
}

/** Presses the button of the last mail that has one with this subject. */
export async function pressLink(hush: Hush, address: string, subject: RegExp): Promise<RequestRecord | undefined> {
  const mail = (await mailsTo(hush, address)).filter((raw) => subject.test(raw)).at(-1);
  const { links, clock, rights } = hush.hush;
  const link = links.read(tokenIn(mail), clock.now());
  return link && rights.verification.byLink(link);
}

/** Attaches a file of so many bytes to a request. */
export async function attach(hush: Hush, record: RequestRecord, by: By, name: string, bytes: Buffer | string) {
  const { attachments } = hush.hush.rights;
  async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.from(bytes);
  }
  const stored = await attachments.store(name, content());
  if (!stored) throw new Error('the file is empty');
  return attachments.keep(record, by, stored);
}

/** The record as it is now. */
export const again = (hush: Hush, record: RequestRecord) => hush.hush.rights.records.get(record.id);

export const steps = (record: RequestRecord) => record.history.map(({ what }) => what);

/** A whole round of the watch that began after this: one may be under way. */
export async function watchOnce(hush: Hush): Promise<void> {
  await hush.hush.rights.watch.once();
  await hush.hush.rights.watch.once();
}
