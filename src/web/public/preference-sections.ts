import { type Brand, type Catalog, say, type Topic, topicsOf } from '../../core/catalog.js';
import { decide } from '../../core/decide.js';
import { CADENCES, type Cadence } from '../../core/event.js';
import { presentAt, type State } from '../../core/fold.js';
import type { Policy } from '../../core/policy.js';
import { type Channel, MARKETING_PURPOSES, type Purpose, type Scope } from '../../core/scope.js';
import type { PageContext } from './pages.js';

/** A switch of the preference page: a scope that is on or off. */
export interface Row {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly detail?: string;
  readonly on: boolean;
  readonly scope: Scope;
  /** True when the person (or a signal) said no to it: only a fresh link may switch it on. */
  readonly denied: boolean;
  readonly cadence?: {
    readonly id: string;
    readonly name: string;
    readonly value: Cadence;
    readonly options: readonly { readonly value: Cadence; readonly label: string; readonly selected: boolean }[];
  };
}

export interface Section {
  readonly id: string;
  readonly heading: string;
  readonly rows: readonly Row[];
  /** Of another brand than that of the link: shown folded. */
  readonly other: boolean;
}

const DENIED: ReadonlySet<string> = new Set([
  'opted_out',
  'objected',
  'complained',
  'gpc',
  'paused',
  'restricted',
  'erased',
]);

/** The switches of a brand for one contact, from its state. Quiet hours are left out: they are no preference. */
export function preferenceSections(parts: {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly brand: Brand;
  readonly state: State;
  readonly country: string | undefined;
  readonly now: number;
  readonly page: PageContext;
  readonly channelName: (channel: string) => string;
}): Section[] {
  const { catalog, policy, brand, state, page } = parts;
  const now = presentAt(state, parts.now);
  const { language, t } = page;
  const context = { policy, ignoreQuietHours: true, ...(parts.country ? { country: parts.country } : {}) };
  const ask = (from: string, channel: Channel, purpose: Purpose, topic: string) =>
    decide(state, { brand: from, channel, purpose, topic, at: now }, context);

  function topicRow(from: Brand, prefix: string, channel: Channel, topic: Topic): Row {
    const decision = ask(from.id, channel, 'promotion', topic.id);
    const chosen = decision.cadence ?? 'every';
    const name = `t.${prefix}${channel}.${topic.id}`;
    return {
      id: name.replaceAll('.', '-'),
      name,
      label: say(topic.name, language),
      ...(topic.frequency ? { detail: say(topic.frequency, language) } : {}),
      on: decision.allowed,
      denied: DENIED.has(decision.reason),
      scope: { brand: from.id, channel, purpose: 'promotion', topic: topic.id },
      cadence: {
        id: `c-${prefix.replaceAll('.', '-')}${channel}-${topic.id}`,
        name: `c.${prefix}${channel}.${topic.id}`,
        value: chosen,
        options: CADENCES.filter((cadence) => cadence !== 'daily').map((cadence) => ({
          value: cadence,
          label: t(`preferences.cadence.${cadence}`),
          selected: cadence === chosen,
        })),
      },
    };
  }

  /** What a brand sends, by channel. */
  function sectionsOf(from: Brand): Section[] {
    const other = from.id !== brand.id;
    const prefix = other ? `${from.id}.` : '';
    const topics = topicsOf(catalog, from.id);
    const channels = [...new Set(topics.flatMap((topic) => topic.channels))];
    return channels.map((channel) => ({
      id: `by-${prefix.replace('.', '-')}${channel}`,
      heading: t('preferences.by', { channel: parts.channelName(channel), brand: from.name }),
      rows: topics
        .filter((topic) => topic.channels.includes(channel))
        .map((topic) => topicRow(from, prefix, channel, topic)),
      other,
    }));
  }

  const others = catalog.brands.filter(({ id, retired }) => id !== brand.id && !retired);
  const offered = MARKETING_PURPOSES.filter((purpose) => catalog.purposes[purpose].offered);
  const advertising: Section = {
    id: 'ads',
    other: false,
    heading: t('preferences.ads'),
    rows: offered.map((purpose): Row => {
      // Sharing reaches people by mail; the others are about what is shown to them.
      const decision = ask(brand.id, purpose.endsWith('_promotion') ? 'email' : 'ads', purpose, '*');
      const words = catalog.purposes[purpose];
      return {
        id: `p-${purpose}`,
        name: `p.${purpose}`,
        label: say(words.sentence, language),
        ...(words.detail ? { detail: say(words.detail, language) } : {}),
        on: decision.allowed,
        denied: DENIED.has(decision.reason),
        // How data is used for advertising is a matter of the group, not of one brand.
        scope: { brand: '*', channel: '*', purpose, topic: '*' },
      };
    }),
  };
  return [...sectionsOf(brand), advertising, ...others.flatMap(sectionsOf)];
}
