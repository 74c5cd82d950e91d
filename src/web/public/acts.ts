import type { DenialAtom } from '../../core/atoms.js';
import { type EventId, parseEventId } from '../../core/keys.js';
import { ALL_MARKETING } from '../../core/scope.js';
import type { Accept } from '../../preferences/accept.js';
import { acceptEach } from '../../preferences/accept-each.js';
import type { Decisions } from '../../preferences/decisions.js';
import type { Accepted, Draft } from '../../preferences/draft.js';
import type { Link } from '../../preferences/links.js';
import { type Undo, undoDraft } from '../../preferences/undo.js';

/** One-click, or the button of the page for it: the scope of the link, for this contact. */
export function optOutDraft(link: Link, kind: 'one_click' | 'link', evidence: Readonly<Record<string, string>>): Draft {
  return {
    subject: { point: link.point },
    type: 'opted_out',
    scope: link.scope,
    source: { kind, destination: link.tag },
    link: {
      brand: link.brand.id,
      ...(link.reference && link.kind === 'mailed' ? { campaign: link.reference } : {}),
    },
    evidence,
  };
}

/** What a person does through a link or a form, as events. */
export function createActs(parts: { readonly accept: Accept; readonly decisions: Decisions; readonly undo: Undo }) {
  const { accept, decisions, undo } = parts;

  async function isLinked(link: Link): Promise<boolean> {
    return (await decisions.present(link)).contact?.person !== undefined;
  }

  return {
    isLinked,

    optOut: (link: Link, kind: 'one_click' | 'link', evidence: Readonly<Record<string, string>>): Promise<Accepted> =>
      accept.accept(optOutDraft(link, kind, evidence)),

    /** All marketing, for all the person's contacts where we know them. */
    async stopAll(link: Link, evidence: Readonly<Record<string, string>>): Promise<Accepted> {
      return accept.accept({
        subject: { point: link.point },
        type: 'opted_out',
        scope: ALL_MARKETING,
        source: { kind: 'link', destination: link.tag },
        ...((await isLinked(link)) ? { reach: 'person' as const } : {}),
        evidence,
      });
    },

    /**
     * Takes back an act of this very link, and nothing else. `through` is the link that asks; undefined for an undo link,
     * which names its one event under seal. Says what else stands for what was to be taken back.
     */
    async undo(
      link: Link,
      events: readonly EventId[],
      through: string | undefined,
      evidence: Readonly<Record<string, string>>,
    ): Promise<{ accepted: Accepted[]; standing: readonly DenialAtom[] }> {
      const plan = await undo.plan([link.key], { events, ...(through === undefined ? {} : { through }) });
      const drafts = plan.steps.map((undone): Draft => {
        const draft = undoDraft(undone);
        const source = { kind: 'link', destination: undone.through } as const;
        return { ...draft, source, evidence: { ...evidence, ...draft.evidence } };
      });
      return { accepted: await this.all(drafts), standing: plan.standing };
    },

    /** Accepts all or says that not all were: a page never says "done" for half of it. */
    all: (drafts: readonly Draft[]): Promise<Accepted[]> => acceptEach(accept, drafts),

    eventOf: (text: unknown): EventId | undefined => (typeof text === 'string' ? parseEventId(text) : undefined),
  };
}

export type Acts = ReturnType<typeof createActs>;
