import type { Settings } from './settings.js';

/** Where this service says it is: the issuer of its tokens, and what its links begin with; without a slash at the end. */
export function issuerOf({ PUBLIC_URL, PORT }: Pick<Settings, 'PUBLIC_URL' | 'PORT'>): string {
  return PUBLIC_URL ?? `http://localhost:${PORT}`;
}
