import type { Words } from '../core/catalog.js';
import { ALL_MARKETING, GPC_PURPOSES, type Scope, wholeScope } from '../core/scope.js';

/** What callers say, in their words, and what it means. */
export interface OptOutOption {
  readonly id: string;
  /** As the agent reads it. */
  readonly label: string;
  /** What the caller may have said. */
  readonly heard: string;
  readonly scopes: readonly Omit<Scope, 'brand'>[];
  /** What changes, in a mail to the caller. */
  readonly confirmationText: Words;
}

const marketing = (channel: Scope['channel']) => ({ channel, purpose: 'marketing' as const, topic: '*' });
const { brand: _anyBrand, ...ALL } = ALL_MARKETING;

export const OPT_OUT_OPTIONS: readonly OptOutOption[] = [
  {
    id: 'all',
    label: 'All marketing',
    heard: '“Leave me alone”, “take me off your lists”',
    scopes: [ALL],
    confirmationText: {
      en: 'No more marketing of any kind',
      es: 'No más publicidad de ningún tipo',
      fr: 'Plus aucune publicité',
      de: 'Keine Werbung mehr',
    },
  },
  {
    id: 'email',
    label: 'Emails',
    heard: '“Stop mailing me offers”',
    scopes: [marketing('email')],
    confirmationText: {
      en: 'No more marketing by email',
      es: 'No más publicidad por correo electrónico',
      fr: 'Plus de publicité par e-mail',
      de: 'Keine Werbung mehr per E-Mail',
    },
  },
  {
    id: 'voice',
    label: 'Phone calls',
    heard: '“Stop calling me”',
    scopes: [marketing('voice')],
    confirmationText: {
      en: 'No more marketing calls',
      es: 'No más llamadas publicitarias',
      fr: 'Plus d’appels publicitaires',
      de: 'Keine Werbeanrufe mehr',
    },
  },
  {
    id: 'phone',
    label: 'Phone calls and texts',
    heard: '“Take my number off”',
    scopes: [marketing('voice'), marketing('sms')],
    confirmationText: {
      en: 'No more marketing calls or texts',
      es: 'No más llamadas ni mensajes de texto publicitarios',
      fr: 'Plus d’appels ni de SMS publicitaires',
      de: 'Keine Werbeanrufe und Werbe-SMS mehr',
    },
  },
  {
    id: 'sms',
    label: 'Texts',
    heard: '“Stop texting me”',
    scopes: [marketing('sms')],
    confirmationText: {
      en: 'No more marketing by text message',
      es: 'No más publicidad por mensaje de texto',
      fr: 'Plus de publicité par SMS',
      de: 'Keine Werbung mehr per SMS',
    },
  },
  {
    id: 'mail',
    label: 'Letters',
    heard: '“No more catalogs”, “no letters”',
    scopes: [marketing('mail')],
    confirmationText: {
      en: 'No more marketing by postal mail',
      es: 'No más publicidad por correo postal',
      fr: 'Plus de publicité par courrier postal',
      de: 'Keine Werbung mehr per Post',
    },
  },
  {
    id: 'sharing',
    label: 'Sharing and ads',
    heard: '“Don’t share or sell my data”, “no ads”',
    // What a Global Privacy Control signal says, said by voice. 11 CCR 7025
    scopes: GPC_PURPOSES.map((purpose) => ({ channel: '*' as const, purpose, topic: '*' })),
    confirmationText: {
      en: 'We no longer share your details, and show no ads based on them',
      es: 'Ya no compartimos sus datos ni mostramos anuncios basados en ellos',
      fr: 'Nous ne partageons plus vos données et ne montrons plus d’annonces fondées sur elles',
      de: 'Wir geben Ihre Angaben nicht mehr weiter und zeigen keine Anzeigen mehr, die auf ihnen beruhen',
    },
  },
];

export function optOutOptionById(id: string): OptOutOption | undefined {
  return OPT_OUT_OPTIONS.find((option) => option.id === id);
}

/** The scopes of an option, for one brand or the whole group. */
export function scopesOfOption(option: OptOutOption, brand: string): Scope[] {
  return option.scopes.map((scope) => wholeScope({ ...scope, brand }));
}
