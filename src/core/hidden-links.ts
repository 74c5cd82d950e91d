/** Paths whose next part is a token that lets its holder do something, or see somebody's data. */
const TOKEN_LINK = /(\/(?:u|p|confirm|rights|access)\/)[\w-]{16,}/gi;

/**
 * A text without working links: what is kept for staff to read must not let them act as the person it was written to.
 *
 * @example hideLinks('https://hush.example/rights/4f0c…?lang=en') // 'https://hush.example/rights/…?lang=en'
 */
export const hideLinks = (text: string): string => text.replace(TOKEN_LINK, '$1…');
