import { EVERYTHING, type Scope } from '../../core/scope.js';

/**
 * What STOP denies: every text, service too, and marketing calls; from every brand, since the person cannot know which
 * companies share the number. 47 CFR 64.1200(a)(10), (12)
 */
export function stopScopes(): readonly Scope[] {
  return [
    { ...EVERYTHING, channel: 'sms' },
    { ...EVERYTHING, channel: 'voice', purpose: 'marketing' },
  ];
}
