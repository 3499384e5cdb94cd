/** Something that changed in PostgreSQL and that replicas hold in their memory. */
export interface Change {
  /** Rises with every change; a decimal number. */
  readonly id: string;
  readonly topic: string;
  readonly subject: string;
  readonly version: string | null;
}

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
