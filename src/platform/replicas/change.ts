/** Something that changed in PostgreSQL and that replicas hold in their memory. */
export interface Change {
  /** Rises with every change; a decimal number. */
  readonly id: string;
  readonly topic: string;
  readonly subject: string;
  readonly version: string | null;
}

/** At most 18 digits: what PostgreSQL's bigint holds, whatever they are. */
const NUMBER = /^\d{1,18}$/;

/** A change as it was notified; null for anything else, because whoever may connect to the database may notify. */
export function readChange(text: string): Change | null {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof read !== 'object' || read === null) return null;
  const { id, topic, subject, version } = read as Record<string, unknown>;
  if (!isNumber(id) || typeof topic !== 'string' || typeof subject !== 'string') return null;
  return version === null || isNumber(version) ? { id, topic, subject, version } : null;
}

function isNumber(value: unknown): value is string {
  return typeof value === 'string' && NUMBER.test(value);
}

/** Whether a change is in force on every replica, or will be within so many seconds. */
export type Propagation =
  | { readonly propagation: 'complete' }
  | { readonly propagation: 'pending'; readonly replicas: number; readonly boundedBySeconds: number };

/** What came of telling every replica of a change. */
export type Receipt =
  | { readonly everywhere: true }
  | {
      readonly everywhere: false;
      /** Replicas that have not confirmed it. */
      readonly replicas: number;
      /** Whole seconds within which they act on it, or cease to act at all. */
      readonly boundedBySeconds: number;
    };

/** What the receipts of some changes that were made together say of all of them. */
export function propagationOf(...receipts: readonly Receipt[]): Propagation {
  const pending = receipts.filter((receipt) => !receipt.everywhere);
  if (pending.length === 0) return { propagation: 'complete' };
  return {
    propagation: 'pending',
    replicas: Math.max(...pending.map(({ replicas }) => replicas)),
    boundedBySeconds: Math.max(...pending.map(({ boundedBySeconds }) => boundedBySeconds)),
  };
}
