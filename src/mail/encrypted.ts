import nodemailer from 'nodemailer';
import type { Machine } from '../core/machine.js';

/** Headers of the part that nodemailer writes; ours take their place. */
const PART = /^(content-type|content-transfer-encoding):.*\r\n(?:[ \t].*\r\n)*/gim;

/**
 * A message whose content is an OpenPGP message, as RFC 3156 §4 has it: multipart/encrypted with a control part and the
 * armored data. nodemailer cannot write that structure, so it writes the headers and we the rest.
 */
export async function encryptedMessage(
  machine: Pick<Machine, 'randomBytes'>,
  outer: Parameters<ReturnType<typeof nodemailer.createTransport>['sendMail']>[0],
  armored: string,
): Promise<Buffer> {
  const writer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const { message } = await writer.sendMail(outer);
  const text = message.toString();
  const headers = text.slice(0, text.indexOf('\r\n\r\n') + 2).replace(PART, '');
  const boundary = `=_${machine.randomBytes(18).toString('hex')}`;
  return Buffer.from(
    [
      `${headers}Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";`,
      ` boundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '',
      `--${boundary}`,
      'Content-Type: application/octet-stream; name="encrypted.asc"',
      'Content-Disposition: inline; filename="encrypted.asc"',
      '',
      armored.replace(/\r?\n/g, '\r\n').trim(),
      '',
      `--${boundary}--`,
      '',
    ].join('\r\n'),
  );
}
