import type { Channel, Purpose, QueryScope } from './scope.js';

/** One text in every language the catalog has; English always. */
export type Words = Readonly<Record<string, string>> & { readonly en: string };

export interface Brand {
  readonly id: string;
  /** 1–255, in tokens for ever; never used for another brand. */
  readonly code: number;
  readonly name: string;
  readonly legalName: string;
  readonly look: { readonly color: string; readonly ink: string; readonly darkColor: string; readonly darkInk: string };
  readonly postal: string;
  readonly phone: string;
  readonly from: string;
  readonly retired: boolean;
}

export interface Topic {
  readonly id: string;
  /** 1–255, in tokens for ever. */
  readonly code: number;
  readonly brands: readonly string[];
  readonly channels: readonly Channel[];
  readonly name: Words;
  /** How often it comes, in words. */
  readonly frequency?: Words | undefined;
  readonly retired: boolean;
}

/** A purpose as people read it. */
export interface PurposeWords {
  /** "show me ads on other sites" */
  readonly sentence: Words;
  readonly detail?: Words | undefined;
  /** What it is called in "You will get no more ___". */
  readonly noun: Words;
  /** What it is called in "Stop ___?", with `{brand}`; only where data is used and nothing is sent. */
  readonly use?: Words | undefined;
  /** Offered as a switch on the preference page. */
  readonly offered: boolean;
  /** Channels that messages for it are sent through, beside those of the topics: each is a switch of its own. */
  readonly channels: readonly Channel[];
}

/** What people may say, if they like, after they stopped something. */
export interface StopReason {
  readonly id: string;
  readonly words: Words;
}

export interface Notice {
  readonly id: string;
  readonly version: string;
  readonly language: string;
  readonly text: string;
}

export interface CatalogBinding {
  readonly name: string;
  readonly scope: QueryScope;
  readonly target: Readonly<Record<string, unknown>>;
}

export interface CatalogDestination {
  readonly name: string;
  readonly adapter: string;
  readonly role: 'processor' | 'third_party';
  readonly settings: Readonly<Record<string, unknown>>;
  readonly bindings: readonly CatalogBinding[];
  /** Hours between scheduled reconciliations; none when absent. */
  readonly reconcileHours?: number | undefined;
  /** Ceiling of calls a second. */
  readonly callsPerSecond?: number | undefined;
}

/** An outside system that is asked what it holds of a person, for an access request. */
export interface AccessSystem {
  readonly name: string;
  readonly url: string;
  /** A `third_party` gets hashes of addresses only. */
  readonly role: 'processor' | 'third_party';
  /** What it is, in words people read. */
  readonly about: Words;
  /** `whsec_…`: its requests are signed with it. */
  readonly secret: string;
  /** Days it has to answer. */
  readonly answerDays: number;
}

export interface Catalog {
  readonly group: {
    readonly name: string;
    readonly privacyAddress: string;
    readonly phone: string;
    readonly postal: string;
    readonly policyUrl: string;
    readonly defaultCountry: string;
    /** Mail domain at which `mailto:` unsubscribes arrive. */
    readonly inboundDomain: string;
  };
  readonly languages: readonly string[];
  readonly brands: readonly Brand[];
  readonly topics: readonly Topic[];
  readonly purposes: Readonly<Record<Purpose, PurposeWords>>;
  /** Nobody is asked why where there are none. */
  readonly stopReasons: readonly StopReason[];
  readonly notices: readonly Notice[];
  readonly destinations: readonly CatalogDestination[];
  readonly accessSystems: readonly AccessSystem[];
}

export function brandById(catalog: Pick<Catalog, 'brands'>, id: string): Brand | undefined {
  return catalog.brands.find((brand) => brand.id === id);
}

export function brandByCode(catalog: Catalog, code: number): Brand | undefined {
  return catalog.brands.find((brand) => brand.code === code);
}

export function topicById(catalog: Catalog, id: string): Topic | undefined {
  return catalog.topics.find((topic) => topic.id === id);
}

export function topicByCode(catalog: Catalog, code: number): Topic | undefined {
  return catalog.topics.find((topic) => topic.code === code);
}

/** Topics of a brand that are still sent. */
export function topicsOf(catalog: Catalog, brand: string): Topic[] {
  return catalog.topics.filter((topic) => !topic.retired && topic.brands.includes(brand));
}

/** The words in the wanted language, or else in English. */
export function say(words: Words, language: string): string {
  return words[language] ?? words.en;
}
