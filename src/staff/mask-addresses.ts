import { maskContact } from '../core/contact-point.js';

const EMAIL = /[^\s<>()[\]",:;=]+@[^\s<>()[\]",:;=]+/g;
/** Seven digits or more with what people write between them. */
const PHONE = /\+?\d(?:[\s().-]{0,2}\d){6,}/g;

/** A free text whose email addresses and phone numbers are masked, as those who may not see one in full read it. */
export function maskAddresses(text: string): string {
  return text
    .replace(EMAIL, (given) => maskContact({ type: 'email', given }))
    .replace(PHONE, (given) => maskContact({ type: 'phone', given }));
}
