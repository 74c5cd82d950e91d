/**
 * What systems and people write before a phone number: it says how to reach the number, not whose system it is from. RFC
 * 3966 (tel), RFC 5724 (sms), RFC 3261 (sip); the others are spellings of telephone systems, dialers and exports.
 */
const SCHEMES = new Set(
  `tel telephone phone phonenumber phone-number mobile mobil mobilephone mobile-phone cell cellphone cellular celular gsm msisdn
   call callto dial voice voip fax sip sips sms smsto mms mmsto text rcs whatsapp wa imessage facetime facetime-audio viber
   telefon telefono handy portable movil tlf`.split(/\s+/),
);
/** Here a value that is not written as a number is a name in that system. */
const ALSO_NAMES = new Set('signal skype telegram tg line wechat zalo kakao'.split(' '));
const SCHEME = /^\s*([a-z][a-z-]{0,31})\s*:\s*(?:\/\/)?\s*(.*)$/isu;
const WRITTEN_AS_NUMBER = /^\+?[\d\s().\-\u2010-\u2015]{5,}$/;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The number behind a scheme (`whatsapp:+19205550100`, `SIP:+19205550100@example.com;user=phone`), whether or not it is one;
 * undefined for a text without such a scheme.
 */
export function numberOfScheme(text: string): string | undefined {
  const [, name = '', rest = ''] = SCHEME.exec(text) ?? [];
  const scheme = name.toLowerCase();
  const number = decoded(rest.replace(/[?@].*$/s, '').replace(/;(?!ext=).*$/is, '')).trim();
  if (SCHEMES.has(scheme)) return number;
  return ALSO_NAMES.has(scheme) && WRITTEN_AS_NUMBER.test(number) ? number : undefined;
}

/** A contact as it is meant: an identifier that is a phone number behind a scheme is that number. */
export function withoutScheme<T extends object>(
  contact: T | { readonly id: string },
): T | { readonly phone: string } | { readonly id: string } {
  const phone = 'id' in contact ? numberOfScheme(contact.id) : undefined;
  return phone === undefined ? contact : { phone };
}
