import { describe, expect, test } from '@jest/globals';
import { columnsNamed, contactColumns } from '../../src/suppression/contact-column.js';

describe('columns of contacts', () => {
  test.each([
    ...['email', 'Email', 'E-Mail', 'E-mail', 'Email Address', 'EMAIL_ADDRESS', 'EmailAddress', 'e-mail address'],
    ...[
      'E-mail 1 - Value',
      'E-Mail-Adresse',
      'Correo electrónico',
      'Adresse e-mail',
      'Courriel',
      'メールアドレス',
      '邮箱',
    ],
  ])('%s is one of emails', (name) => {
    expect(contactColumns(['n', name])).toEqual([[1]]);
    expect(columnsNamed(['n', name], 'email')).toEqual([1]);
    expect(columnsNamed(['n', name], 'phone')).toEqual([]);
  });

  test.each([
    'phone',
    'Phone Number',
    'Mobile',
    'Cell phone',
    'Telefon',
    'Teléfono',
    'Handynummer',
    'MSISDN',
    '电话',
    'WhatsApp',
  ])('%s is one of numbers', (name) => {
    expect(contactColumns([name, 'n'])).toEqual([[0]]);
    expect(columnsNamed([name, 'n'], 'phone')).toEqual([0]);
  });

  test('the very name goes before its spellings, and the order is email, phone, contact', () => {
    expect(columnsNamed(['E-Mail', 'email'], 'email')).toEqual([1]);
    expect(columnsNamed(['E-Mail', 'Email Address'], 'email')).toEqual([0]);
    expect(columnsNamed(['Primary email', 'Email Address'], 'email')).toEqual([0, 1]);
    expect(contactColumns(['Phone', 'Email', 'contact'])).toEqual([[1], [0], [2]]);
    expect(columnsNamed(['kundennr', 'Kunden-Nr.'], 'KUNDENNR')).toEqual([0, 1]);
  });

  test.each(['mail', 'emailed', 'email opt-in', 'email sent at', 'name', '', '—'])('%s is none', (name) => {
    expect(contactColumns([name])).toEqual([]);
    expect(columnsNamed([name], 'email')).toEqual([]);
  });
});
