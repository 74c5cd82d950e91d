import type { DenialAtom } from '../../core/atoms.js';
import { type Brand, type Catalog, say, type Topic, topicsOf } from '../../core/catalog.js';
import { type DecisionContext, decide } from '../../core/decide.js';
import { CADENCES, type Cadence, type ContactEvent } from '../../core/event.js';
import { fold, presentAt, type State } from '../../core/fold.js';
import type { Policy } from '../../core/policy.js';
import { CHANNELS, type Channel, covers, MARKETING_PURPOSES, type Purpose, type Scope } from '../../core/scope.js';
import { standingDenials } from '../../core/standing.js';
import type { PageContext } from './page-source.js';

/** A switch of the preference page: a scope that is on or off. */
export interface Row {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly detail?: string;
  readonly on: boolean;
  readonly scope: Scope;
  /** The person opted out of this very topic: switching on all offers leaves it off. */
  readonly hasOwnDenial?: boolean;
  /** True when a grant, as the link may give it, would switch it on. */
  readonly opensBy: (grant: SwitchGrant) => boolean;
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
  /** Shown closed: another channel than that of the link. */
  readonly folded: boolean;
}

/**
 * What switching on says. A link in mail may have been forwarded, so it gives an opt-in that lifts nothing, and so opens
 * nothing where a consent is needed; a fresh link proves its address and gives a consent.
 */
export type SwitchGrant = Pick<ContactEvent, 'type' | 'lifts'>;
export const switchGrant = (proven: boolean): SwitchGrant =>
  proven ? { type: 'consent_granted', lifts: 'any' } : { type: 'opted_in', lifts: 'none' };

export interface SectionParts {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly brand: Brand;
  /** What the link is about: it has a switch whatever the catalog says. */
  readonly about: Scope;
  readonly state: State;
  readonly country: string | undefined;
  readonly now: number;
  readonly page: PageContext;
  readonly byWords: (channel: string) => string;
}

/** What each switch is read from. */
interface SwitchSource extends SectionParts {
  readonly context: DecisionContext;
  readonly standing: readonly DenialAtom[];
}

/** Headings by language and text: a few for each brand and channel. */
const capitals = new Map<string, string>();

function capitalised(text: string, language: string): string {
  const id = `${language} ${text}`;
  const result = capitals.get(id) ?? text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
  capitals.set(id, result);
  return result;
}

/** The decision as it is now, and whether a grant of `scope` would open it. */
function currentSwitch(
  { now, state, context }: Pick<SwitchSource, 'now' | 'state' | 'context'>,
  from: string,
  channel: Channel,
  purpose: Purpose,
  topic: string,
  scope: Scope,
) {
  const query = { brand: from, channel, purpose, topic, at: now };
  const opensBy = (grant: SwitchGrant) => {
    const event = { ...grant, scope, id: 'asked', at: now, recorded: now * 1024, source: { kind: 'link' } } as const;
    return decide(fold(state, [event]), query, context).allowed;
  };
  return { decision: decide(state, query, context), opensBy };
}

function topicRow(source: SwitchSource, from: Brand, prefix: string, channel: Channel, topic: Topic): Row {
  const { standing } = source;
  const { language, t } = source.page;
  const scope: Scope = { brand: from.id, channel, purpose: 'promotion', topic: topic.id };
  const { decision, opensBy } = currentSwitch(source, from.id, channel, 'promotion', topic.id, scope);
  const chosen = decision.cadence ?? 'every';
  const name = `t.${prefix}${channel}.${topic.id}`;
  return {
    id: name.replaceAll('.', '-'),
    name,
    label: say(topic.name, language),
    ...(topic.frequency ? { detail: say(topic.frequency, language) } : {}),
    on: decision.allowed,
    opensBy,
    scope,
    hasOwnDenial: standing.some((denial) => denial.scope.topic === topic.id && covers(denial.scope, scope)),
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

/** Everything sent for a purpose through a channel. For offers that includes every topic, and what has no topic. */
function purposeRow(
  source: SwitchSource,
  from: Brand,
  prefix: string,
  channel: Channel,
  purpose: Purpose,
  hasTopics: boolean,
): Row {
  const { catalog } = source;
  const { t, language } = source.page;
  const scope: Scope = { brand: from.id, channel, purpose, topic: '*' };
  const { decision, opensBy } = currentSwitch(source, from.id, channel, purpose, '*', scope);
  const name = `m.${prefix}${channel}.${purpose}`;
  return {
    id: name.replaceAll('.', '-'),
    name,
    label: hasTopics ? t('preferences.allOffers') : say(catalog.purposes[purpose].sentence, language),
    ...(hasTopics ? { detail: t('preferences.allOffersDetail') } : {}),
    on: decision.allowed,
    opensBy,
    scope,
  };
}

/** What a brand sends, by channel. */
function brandSections(source: SwitchSource, from: Brand): Section[] {
  const { brand, catalog } = source;
  const { t, language } = source.page;
  const other = from.id !== brand.id;
  const prefix = other ? `${from.id}.` : '';
  const topics = topicsOf(catalog, from.id);
  const isAbout = (channel: Channel, purpose: Purpose) =>
    !other &&
    source.about.channel === channel &&
    (source.about.purpose === purpose || (source.about.purpose === 'marketing' && purpose === 'promotion'));
  const sections = CHANNELS.map((channel): Section => {
    const own = topics.filter((topic) => topic.channels.includes(channel));
    const purposes = MARKETING_PURPOSES.filter(
      (purpose) =>
        !catalog.purposes[purpose].offered &&
        (catalog.purposes[purpose].channels.includes(channel) ||
          isAbout(channel, purpose) ||
          (purpose === 'promotion' && own.length > 0)),
    );
    return {
      id: `by-${prefix.replace('.', '-')}${channel}`,
      heading: capitalised(t('preferences.by', { by: source.byWords(channel), brand: from.name }), language),
      rows: [
        ...own.map((topic) => topicRow(source, from, prefix, channel, topic)),
        ...purposes.map((purpose) =>
          purposeRow(source, from, prefix, channel, purpose, purpose === 'promotion' && own.length > 0),
        ),
      ],
      other,
      folded: !other && channel !== source.about.channel,
    };
  }).filter(({ rows }) => rows.length > 0);
  // A link that is about none of these channels opens the first.
  return sections.every(({ folded }) => folded)
    ? sections.map((section, index) => ({ ...section, folded: index > 0 }))
    : sections;
}

function advertisingSection(source: SwitchSource): Section {
  const { catalog, brand } = source;
  const { t, language } = source.page;
  return {
    id: 'ads',
    other: false,
    folded: false,
    heading: t('preferences.ads'),
    rows: MARKETING_PURPOSES.filter((purpose) => catalog.purposes[purpose].offered).map((purpose): Row => {
      // How data is used for advertising is a matter of the group, not of one brand.
      const scope: Scope = { brand: '*', channel: '*', purpose, topic: '*' };
      const { decision, opensBy } = currentSwitch(
        source,
        brand.id,
        // Sharing reaches people by mail; the other purposes decide what is shown to them.
        purpose.endsWith('_promotion') ? 'email' : 'ads',
        purpose,
        '*',
        scope,
      );
      const words = catalog.purposes[purpose];
      return {
        id: `p-${purpose}`,
        name: `p.${purpose}`,
        label: say(words.sentence, language),
        ...(words.detail ? { detail: say(words.detail, language) } : {}),
        on: decision.allowed,
        opensBy,
        scope,
      };
    }),
  };
}

/** The switches of a brand for one contact, from its state. Quiet hours are left out: they are no preference. */
export function preferenceSections(parts: SectionParts): Section[] {
  const { catalog, policy, brand, state, country } = parts;
  const now = presentAt(state, parts.now);
  const source: SwitchSource = {
    ...parts,
    now,
    context: { policy, ignoreQuietHours: true, ...(country ? { country } : {}) },
    standing: standingDenials(state, now),
  };
  const others = catalog.brands.filter(({ id, retired }) => id !== brand.id && !retired);
  return [
    ...brandSections(source, brand),
    advertisingSection(source),
    ...others.flatMap((other) => brandSections(source, other)),
  ];
}
