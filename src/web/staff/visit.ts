import type { Request, Response } from 'express';
import type { AuditTrail, Deed, StaffUser } from '../../staff/audit-trail.js';
import type { Draft, Drafts } from '../../staff/drafts.js';
import { may, type Permission, ROLE_WORDS } from '../../staff/permissions.js';
import { fieldOf, queryOf } from '../field.js';
import { ABSOLUTE, IDLE, keepSession, type StaffSession, sessionEnd } from '../middleware/session.js';
import { fillForm } from './fill-form.js';
import { fieldsIn, withDraft } from './form-pages.js';
import { type NavigationItem, navigationFor } from './navigation.js';
import type { StaffPages } from './render.js';

export interface AgainOptions {
  /** Path of the form's page, where it is not the one of the route. */
  readonly page?: string;
  /** Path that the form is sent to, where another form of the page holds the same fields. */
  readonly action?: string;
  /** Fields beside those that were sent. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Of the page that says what is wrong; 400. */
  readonly status?: number;
}

/** One request of somebody signed in who has the route's permission. */
export interface Visit {
  readonly request: Request;
  readonly response: Response;
  readonly user: StaffUser;
  readonly session: StaffSession;
  readonly pages: StaffPages;
  may(permission: Permission): boolean;
  /** A field of the form, trimmed; '' when it was not sent. */
  field(name: string): string;
  /** Every value of a field that may be sent several times (checkboxes). */
  several(name: string): readonly string[];
  /** A value of the query, trimmed; '' when absent. */
  query(name: string): string;
  /** A part of the path. */
  param(name: string): string;
  /** What `?draft=` names, of this user: what was looked for, or typed into a form of this page. */
  readonly draft: Draft | undefined;
  /** A field of the draft, trimmed; '' without one. */
  drafted(name: string): string;
  /** Writes down what is about to be shown or was done; durable when it resolves. */
  record(deed: Deed): Promise<void>;
  /** Renders `views/staff/<view>.ejs` in the console's layout. `title` is needed; `fault` is said on top. */
  page(
    view: string,
    values: Readonly<Record<string, unknown>> & { readonly title: string; readonly fault?: string | undefined },
    status?: number,
  ): Promise<void>;
  /** After a POST: goes to a page (303), which says `said` once. */
  go(path: string, said?: string): Promise<void>;
  /** After a POST: goes to the page of the form (303), which says what is wrong and has everything that was typed. */
  again(fault: string, options?: AgainOptions): Promise<void>;
  /** After a POST: goes to a page (303) for what was sent; it is kept, so that no URL has it. `filled`: into its form. */
  goWith(path: string, filled?: boolean): Promise<void>;
  /** Shows something on the next page of the path, once. */
  showOnce(path: string, value: unknown): void;
  /** What is to be shown here once; undefined the next time. */
  takeOnce(): unknown;
}

/** @param pageOf the page of the form that the request's path belongs to */
export function createVisit(parts: {
  readonly request: Request;
  readonly response: Response;
  readonly session: StaffSession;
  readonly pages: StaffPages;
  readonly trail: AuditTrail;
  readonly drafts: Drafts;
  readonly draft: Draft | undefined;
  readonly navigation: readonly NavigationItem[];
  readonly pageOf: () => string | undefined;
}): Visit {
  const { request, response, session, pages, drafts, draft } = parts;
  const { user } = session;

  async function go(path: string, said?: string): Promise<void> {
    if (said !== undefined) session.said = said;
    await keepSession(request);
    response.redirect(303, path);
  }

  async function goWithDraft(path: string, kept: Omit<Draft, 'fields'>, more: AgainOptions['fields'] = {}) {
    const added = Object.entries(more).map(([name, value]) => [name, [value]]);
    const fields = { ...fieldsIn(request.body), ...Object.fromEntries(added) };
    const id = await drafts.keep(user.id, { ...kept, fields });
    await (id === undefined ? go(path, kept.fault) : go(withDraft(path, id)));
  }

  const visit: Visit = {
    request,
    response,
    user,
    session,
    pages,
    draft,
    may: (permission) => may(user.roles, permission),
    field: (name) => fieldOf(request, name),
    several: (name) => fieldsIn(request.body)[name] ?? [],
    query: (name) => queryOf(request, name),
    param: (name) => String(request.params[name] ?? ''),
    drafted: (name) => draft?.fields[name]?.[0]?.trim() ?? '',
    record: (deed) => parts.trail.record(user, deed),
    async page(view, values, status = 200) {
      const said = session.said;
      if (said !== undefined) delete session.said;
      const html = pages.render(view, {
        user: { ...user, role: user.roles.map((role) => ROLE_WORDS[role].name).join(', ') },
        navigation: await navigationFor(parts.navigation, request.path, visit.may),
        flash: said,
        csrf: `${session.csrf}.${drafts.ticketFor(user.id)}`,
        may: visit.may,
        ends: { at: sessionEnd(session), soon: session.signedInAt + ABSOLUTE - session.seenAt < IDLE },
        ...values,
        fault: values.fault ?? draft?.fault,
      });
      pages.sendHtml(response, draft?.status ?? status, draft && !draft.lookup ? fillForm(html, draft) : html);
    },
    go,
    again(fault, { page, action, fields, status = 400 } = {}) {
      const kept = { action: action ?? request.path, fault, status };
      return goWithDraft(page ?? parts.pageOf() ?? '/staff', kept, fields);
    },
    goWith: (path, filled = false) => goWithDraft(path, { action: request.path, lookup: !filled }),
    showOnce(path, value) {
      session.once = { path, value };
    },
    takeOnce() {
      const { once } = session;
      if (once?.path !== request.path) return undefined;
      delete session.once;
      return once.value;
    },
  };
  return visit;
}
