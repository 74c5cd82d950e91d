import { ALL_MARKETING, GPC_PURPOSES, type Scope, wholeScope } from '../core/scope.js';

/** What callers say, in their words, and what it means. */
export interface Wish {
  readonly id: string;
  /** As the agent reads it. */
  readonly label: string;
  /** What the caller may have said. */
  readonly heard: string;
  readonly scopes: readonly Omit<Scope, 'brand'>[];
  /** What changes, in a mail to the caller. */
  readonly said: Readonly<Record<'en' | 'es', string>>;
}

const marketing = (channel: Scope['channel']) => ({ channel, purpose: 'marketing' as const, topic: '*' });
const { brand: _anyBrand, ...ALL } = ALL_MARKETING;

export const WISHES: readonly Wish[] = [
  {
    id: 'all',
    label: 'All marketing',
    heard: '“Leave me alone”, “take me off your lists”',
    scopes: [ALL],
    said: { en: 'No more marketing of any kind', es: 'No más publicidad de ningún tipo' },
  },
  {
    id: 'email',
    label: 'Emails',
    heard: '“Stop mailing me offers”',
    scopes: [marketing('email')],
    said: { en: 'No more marketing by email', es: 'No más publicidad por correo electrónico' },
  },
  {
    id: 'voice',
    label: 'Phone calls',
    heard: '“Stop calling me”',
    scopes: [marketing('voice')],
    said: { en: 'No more marketing calls', es: 'No más llamadas publicitarias' },
  },
  {
    id: 'phone',
    label: 'Phone calls and texts',
    heard: '“Take my number off”',
    scopes: [marketing('voice'), marketing('sms')],
    said: { en: 'No more marketing calls or texts', es: 'No más llamadas ni mensajes de texto publicitarios' },
  },
  {
    id: 'sms',
    label: 'Texts',
    heard: '“Stop texting me”',
    scopes: [marketing('sms')],
    said: { en: 'No more marketing by text message', es: 'No más publicidad por mensaje de texto' },
  },
  {
    id: 'mail',
    label: 'Letters',
    heard: '“No more catalogs”, “no letters”',
    scopes: [marketing('mail')],
    said: { en: 'No more marketing by post', es: 'No más publicidad por correo postal' },
  },
  {
    id: 'sharing',
    label: 'Sharing and ads',
    heard: '“Don’t share or sell my data”, “no ads”',
    // What a Global Privacy Control signal says, said by voice. 11 CCR 7025
    scopes: GPC_PURPOSES.map((purpose) => ({ channel: '*' as const, purpose, topic: '*' })),
    said: {
      en: 'No more sharing of your details and no ads based on them',
      es: 'No más uso compartido de sus datos ni anuncios basados en ellos',
    },
  },
];

export function wishById(id: string): Wish | undefined {
  return WISHES.find((wish) => wish.id === id);
}

/** The scopes of a wish, for one brand or the whole group. */
export function scopesOfWish(wish: Wish, brand: string): Scope[] {
  return wish.scopes.map((scope) => wholeScope({ ...scope, brand }));
}
