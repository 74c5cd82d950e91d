import type { Request } from 'express';

const trimmed = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** A field of a form, without blanks around it; empty when it was not sent, or sent several times. */
export const fieldOf = (request: Request, name: string): string => trimmed(request.body?.[name]);

/** The same of the query. */
export const queryOf = (request: Request, name: string): string => trimmed(request.query[name]);
