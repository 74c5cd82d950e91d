import { HushError } from '../../src/core/errors.js';
import { ALL_MARKETING, EVERYTHING, type QueryScope, type Scope } from '../../src/core/scope.js';
import type { Accepted, Draft } from '../../src/preferences/draft.js';
import type { Link } from '../../src/preferences/links.js';
import { isUnavailable } from '../../src/store/connect.js';
import type { Act, Brand } from './acts.js';
import { createFeedReader } from './feed-reader.js';
import { catalog, HEX, KEYS, POINTS } from './installation.js';
import type { Parts, SimulatedProcess, Site } from './process.js';
import { Broken } from './promises.js';

/** What is asked about contacts. */
export const QUESTIONS: readonly QueryScope[] = [
  { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
  { brand: 'shipping', channel: 'email', purpose: 'promotion', topic: '*' },
  { brand: 'jmf', channel: 'ads', purpose: 'retargeting', topic: '*' },
  { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'news' },
];

function questionOf(index: number): QueryScope {
  const question = QUESTIONS[index];
  if (!question) throw new Error('no such question');
  return question;
}

const errorText = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** An answer at rest. */
export interface Answer {
  readonly contact: number;
  readonly query: QueryScope;
  readonly allowed: boolean;
  /** ms */
  readonly at: number;
  /** Which process gave it. */
  readonly by: string;
}

const CLERK = { id: 'clerk', name: 'Clerk', roles: [] };
const SUPERVISOR = { id: 'supervisor', name: 'Supervisor', roles: [] };
/** How long (ms) a client waits for an answer. */
const PATIENCE_MS = 5000;
const RETRY_MS = 400;
const TRIES_WHEN_WELL = 20;

const scopeOf = (brand: Brand): Scope => ({ ...ALL_MARKETING, brand });

/** People, staff and systems that use the installation, each with what it needs to remember. */
export function createClients(site: Site, webs: readonly SimulatedProcess[], onBroken: (error: Broken) => void) {
  const { world, promises } = site;
  const reader = createFeedReader();
  /** What was done last through the link of a contact. */
  const done = new Map<number, Accepted>();
  const lifts: string[] = [];
  /** Clients that wait for a retry of theirs, or an answer of a process that lives. */
  let atWork = 0;

  /** A web that runs, as a balancer picks it. */
  function anyWeb(): Parts | undefined {
    const running = webs.flatMap((web) => web.parts() ?? []);
    return running[world.integer(running.length)];
  }

  const pause = (ms: number) => new Promise<void>((resolve) => world.after(ms, undefined, resolve));

  /** What a client does; a refusal or an outage is the client's to bear. */
  async function using<Result>(work: (web: Parts) => Promise<Result>): Promise<Result | undefined> {
    const web = anyWeb();
    if (!web) return undefined;
    try {
      // A process that is killed or stands still does not answer; nobody waits for ever.
      return (await Promise.race([work(web), pause(PATIENCE_MS)])) as Result | undefined;
    } catch (error) {
      if (error instanceof Broken) throw error;
      if (error instanceof HushError || isUnavailable(error)) return undefined;
      throw error;
    }
  }

  /** As a system does that has to have its event recorded: until it is acknowledged. */
  async function insisting(work: (web: Parts) => Promise<unknown>): Promise<void> {
    for (let tries = 0; tries < TRIES_WHEN_WELL; tries += site.isWell ? 1 : 0) {
      const answer = await using(work);
      if (answer !== undefined) return;
      await pause(RETRY_MS);
    }
    throw new Broken('what a system has to have recorded is not acknowledged, though all is well');
  }

  function linkOf(contact: number, brand: Brand): Link {
    const point = POINTS[contact];
    const key = KEYS[contact];
    const known = catalog.brands[brand === 'shipping' ? 1 : 0];
    if (!point || !key || !known) throw new Error('no such contact');
    return {
      token: '',
      kind: 'mailed',
      brand: known,
      topic: undefined,
      point,
      key,
      scope: scopeOf(brand),
      reference: '',
      tag: `link-${contact}`,
    };
  }

  const draftOf = (contact: number, more: Pick<Draft, 'type' | 'scope' | 'source'> & Partial<Draft>): Draft => {
    const point = POINTS[contact];
    if (!point) throw new Error('no such contact');
    return { subject: { point }, ...more };
  };

  async function ask(contact: number, query: QueryScope): Promise<void> {
    await using((web) => askOf(web, contact, query));
  }

  /** As somebody does who wants to see that it counts: at once, and once more while it is still on its way to the ledger. */
  async function askAfter(contact: number, brand: Brand, topic = '*'): Promise<void> {
    const question = { ...questionOf(brand === 'shipping' ? 1 : 0), topic };
    await ask(contact, question);
    await pause(world.between(0, 40));
    await ask(contact, question);
  }

  /** Asks one process, and holds its answer against what was acknowledged before. */
  async function askOf(web: Parts, contact: number, query: QueryScope): Promise<boolean> {
    const asked = promises.asks(web.owner);
    const [key, point, hex] = [KEYS[contact], POINTS[contact], HEX[contact]];
    if (!key || !point || hex === undefined) throw new Error('no such contact');
    const [answer] = await web.decisions.decideAll([{ key, point }], query);
    if (!answer) throw new Broken(`${point.given} is not known by its address`);
    promises.holdAgainst(answer, hex, query, asked);
    return answer.allowed;
  }

  /** Once nothing is under way, every web answers everything, and knows no less and no more than the others. */
  async function askEverything(): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const web of webs.flatMap((one) => one.parts() ?? [])) {
      await reader.compare(web);
      for (const contact of POINTS.keys()) {
        for (const query of QUESTIONS) {
          const allowed = await askOf(web, contact, query);
          answers.push({ contact, query, allowed, at: world.now(), by: web.owner.name });
        }
      }
    }
    return answers;
  }

  async function perform(act: Act, index: number): Promise<void> {
    switch (act.kind) {
      case 'one_click': {
        const accepted = await using((web) =>
          web.acts.optOut(linkOf(act.contact, act.brand), 'one_click', { by: 'click' }),
        );
        if (accepted) done.set(act.contact, accepted);
        await askAfter(act.contact, act.brand);
        return;
      }
      case 'stop_all': {
        const accepted = await using((web) => web.acts.stopAll(linkOf(act.contact, '*'), {}));
        if (accepted) done.set(act.contact, accepted);
        await askAfter(act.contact, '*');
        return;
      }
      case 'opt_in':
      case 'consent':
        await using((web) =>
          web.acts.all([
            draftOf(act.contact, {
              type: act.kind === 'consent' ? 'consent_granted' : 'opted_in',
              scope: scopeOf(act.brand),
              lifts: 'any',
              source: { kind: 'link', destination: `fresh-${act.contact}` },
              ...(act.kind === 'consent' ? { notice: { id: 'email-offers', version: '1' } } : {}),
            }),
          ]),
        );
        return;
      case 'pause':
        await using((web) =>
          web.acts.all([
            draftOf(act.contact, {
              type: 'paused',
              scope: scopeOf(act.brand),
              until: Math.floor(world.now()) + act.forMs,
              source: { kind: 'link', destination: `link-${act.contact}` },
            }),
          ]),
        );
        return;
      case 'undo': {
        const last = done.get(act.contact);
        if (!last) return;
        const link = linkOf(act.contact, act.brand);
        await using((web) => web.acts.undo(link, [last.id], link.tag, {}));
        return;
      }
      case 'erase':
        await using((web) =>
          web.acts.all([draftOf(act.contact, { type: 'erased', scope: EVERYTHING, source: { kind: 'staff' } })]),
        );
        return;
      case 'write': {
        const topic = act.type === 'opted_out' && act.topic > 0 ? `topic-${act.topic}` : '*';
        const draft = draftOf(act.contact, {
          type: act.type,
          scope: { ...scopeOf(act.brand), topic },
          source: { kind: 'api', ...(act.type === 'complained' ? { destination: 'sender' } : {}) },
          writer: { name: 'api', id: `event-${index}` },
          ...(act.late > 0 ? { at: Math.floor(world.now()) - act.late } : {}),
          ...(act.type === 'opted_in' ? { lifts: 'none' as const } : {}),
        });
        await Promise.all(Array.from({ length: act.copies }, () => insisting((web) => web.accept.accept(draft))));
        if (act.type !== 'opted_in') await askAfter(act.contact, act.brand, topic);
        return;
      }
      case 'join': {
        const points = [POINTS[act.contact], POINTS[act.other]].flatMap((point) => (point ? [{ point }] : []));
        const linked = await using((web) => web.accept.link(points));
        if (linked) promises.join([HEX[act.contact] ?? '', HEX[act.other] ?? '']);
        return;
      }
      case 'ask':
        await ask(act.contact, questionOf(act.question));
        return;
      case 'request_lift': {
        const key = KEYS[act.contact];
        const point = POINTS[act.contact];
        if (!key || !point) return;
        const id = await using((web) =>
          web.approvals.requestLift(
            CLERK,
            { key, type: point.type, subject: { point }, masked: '', known: true },
            { scopes: [scopeOf(act.brand)] },
            { caller: 'self', callerName: '', verification: 'account', words: '' },
          ),
        );
        if (id === undefined) return;
        lifts.push(id);
        promises.askForLift(id);
        return;
      }
      case 'confirm_lift': {
        const id = lifts.at(-1);
        if (id === undefined) return;
        await using(async (web) => {
          const approval = await web.approvals.get(id);
          if (approval) await web.approvals.confirmLift(SUPERVISOR, approval);
        });
        return;
      }
      case 'import': {
        const list = `list-${act.list}`;
        const rows = act.contacts.map((contact, number) => ({
          number,
          bytes: Buffer.from(`${contact}`),
          read: async () =>
            draftOf(contact, {
              type: 'opted_out',
              scope: ALL_MARKETING,
              at: Math.floor(world.now() / 1000) * 1000 - 60_000,
              source: { kind: 'import' },
              writer: { name: `import:${list}`, id: `row-${contact}` },
            }),
        }));
        await insisting((web) =>
          web.imports.run(
            (async function* () {
              yield rows;
            })(),
            { list, format: 'csv', dryRun: false, by: 'operator', reading: '' },
          ),
        );
        return;
      }
      case 'unsubscribe_there': {
        const point = POINTS[act.contact];
        const provider = site.providers.find(({ bindings }) => bindings.some(({ name }) => name === act.binding));
        if (point && provider)
          provider.unsubscribeThere(act.binding, point.given, act.complains ? 'complained' : 'unsubscribed');
        return;
      }
      case 'reconcile':
        await insisting(async ({ stores, clock }) => {
          await stores.reconciliations.request('sender', { dryRun: false, by: 'staff', at: clock.now() });
          return true;
        });
    }
  }

  /** Does something as a client that is waited for. */
  function begin(work: Promise<unknown>): void {
    atWork++;
    work
      .catch((error: unknown) =>
        onBroken(error instanceof Broken ? error : new Broken(`a client met ${errorText(error)}`)),
      )
      .finally(() => {
        atWork--;
      });
  }

  return {
    /** What a balancer asks every web that runs. */
    probe(): void {
      for (const web of webs) {
        const parts = web.parts();
        if (parts) world.after(0, web.owner(), () => void parts.readiness.check());
      }
    },
    readFeed: (): void => begin(using((web) => reader.poll(web))),
    askEverything(done: (answers: readonly Answer[]) => void): void {
      begin(askEverything().then(done));
    },
    atWork: (): number => atWork,
    begin(act: Act, index: number): void {
      world.note(`client: ${JSON.stringify(act)}`);
      begin(perform(act, index));
    },
  };
}

export type Clients = ReturnType<typeof createClients>;
