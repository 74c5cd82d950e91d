import { describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import { numberOfScheme, withoutScheme } from '../../src/core/contact-scheme.js';
import { contactInCell } from '../../src/suppression/contact-cell.js';

const NUMBER = '+19205559876';

describe('a number behind a scheme', () => {
  test.each([
    `whatsapp:${NUMBER}`,
    `phone:${NUMBER}`,
    `callto:${NUMBER}`,
    `sip:${NUMBER}`,
    `mobile:${NUMBER}`,
    `tel:${NUMBER}`,
    `sms:${NUMBER}`,
    `fax:${NUMBER}`,
    `rcs:${NUMBER}`,
    `signal:${NUMBER}`,
    `skype:${NUMBER}`,
    `viber:${NUMBER}`,
    `WhatsApp:${NUMBER}`,
    `TEL: ${NUMBER}`,
    `tel:+1-920-555-9876`,
    `tel:(920) 555-9876`,
    `tel:%2B19205559876`,
    `callto://${NUMBER}`,
    `sip:${NUMBER}@voice.example.com;user=phone`,
    `sips:${NUMBER};transport=tls`,
    `tel:${NUMBER};ext=12`,
    `sms:${NUMBER}?body=STOP`,
    ` whatsapp:${NUMBER} `,
    `'${NUMBER}`,
    `'9205559876`,
    `'whatsapp:${NUMBER}`,
  ])('%s is that number in a cell', (cell) => {
    const contact = contactInCell(cell);
    expect(contact).toHaveProperty('phone');
    if ('key' in contact) throw new Error('a key');
    expect(normaliseContact(contact)).toMatchObject({ type: 'phone', normalised: NUMBER });
  });

  test.each([`whatsapp:${NUMBER}`, `Phone:${NUMBER}`, `sip:${NUMBER}@example.com`])(
    '%s is that number as an id and as a phone',
    (text) => {
      expect(normaliseContact(withoutScheme({ id: text })).normalised).toBe(NUMBER);
      expect(normaliseContact({ phone: text }).normalised).toBe(NUMBER);
    },
  );

  test.each([
    'crm:12345',
    'telesales:12345',
    'skype:ana.example',
    'telegram:ana99',
    'mailchimp:abc',
    'messenger:1234567890',
  ])('%s is an identifier', (text) => {
    expect(numberOfScheme(text)).toBeUndefined();
    expect(contactInCell(text)).toEqual({ id: text });
  });

  test.each(['tel:', 'whatsapp:nobody', 'sip:ana@example.com', 'phone:12'])(
    '%s is nobody, and no identifier',
    (cell) => {
      const contact = contactInCell(cell);
      if ('key' in contact) throw new Error('a key');
      expect(() => normaliseContact(contact)).toThrow();
    },
  );

  test.each(["o'neil@example.com", "'ana@example.com", 'ana@example.com'])('%s keeps its apostrophe', (cell) => {
    expect(contactInCell(cell)).toEqual({ email: cell });
  });
});
