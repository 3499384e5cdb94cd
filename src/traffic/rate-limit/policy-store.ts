import { Injectable, type OnModuleInit } from '@nestjs/common';
import { log } from '../../platform/logging/log.js';
import type { Change } from '../../platform/replicas/change.js';
import { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { ANY_TIER, type LimitPolicy, type PolicyClass, SUBJECT_TYPES } from './limit-policy.js';
import { type OverrideRow, type PolicyRow, RateLimitsRepository, type Subject } from './rate-limits.repository.js';
import { readPolicy } from './stored-policy.js';

const TOPIC = 'rate_limits';
/** Stands for all policies; subjects have a colon. */
const POLICIES = 'policies';

/** What is to be read next. */
interface Waiting {
  readonly subjects: Map<string, Subject>;
  policies: boolean;
  all: boolean;
}

/** The overrides of one subject, one per class at most. A change makes a new object of it. */
export interface SubjectOverrides {
  readonly policies: readonly LimitPolicy[];
}

/**
 * Policies and overrides as PostgreSQL has them, in this process's memory. Every replica hears of a change within
 * milliseconds, and within half a second where the notification was lost. While PostgreSQL is away the last known ones
 * stay in force. A row that is no policy is passed over and logged, and what would hold without it holds.
 */
@Injectable()
export class PolicyStore implements OnModuleInit {
  /** Rows passed over when they were last read, by what they were read for: the policies, or a subject. */
  readonly #skipped = new Map<string, number>();
  #policies: ReadonlyMap<string, LimitPolicy> = new Map();
  #clients = new Map<string, SubjectOverrides>();
  #users = new Map<string, SubjectOverrides>();
  readonly #listeners: (() => void)[] = [];
  #waiting: Waiting = nothing();
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(
    private readonly repository: RateLimitsRepository,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.on(TOPIC, (change) => this.#heard(change));
    this.feed.onResync(() => this.load());
  }

  /** The policy of a class for exactly this tier (`*`: for all of them), or null. */
  policy(rateClass: PolicyClass, tier: string): LimitPolicy | null {
    return this.#policies.get(`${rateClass}:${tier}`) ?? null;
  }

  /** What is set for one client; ended ones included. One Map lookup. */
  ofClient(clientId: string): SubjectOverrides | undefined {
    return this.#clients.get(clientId);
  }

  /** As `ofClient`, for a user. */
  ofUser(userId: string): SubjectOverrides | undefined {
    return this.#users.get(userId);
  }

  /** Rows that are passed over: they were no policy when they were last read. */
  get skipped(): number {
    let skipped = 0;
    for (const count of this.#skipped.values()) skipped += count;
    return skipped;
  }

  /** How many subjects have overrides. */
  get overridden(): number {
    return this.#clients.size + this.#users.size;
  }

  /** Calls `listener` each time policies (not overrides) have changed. */
  onPoliciesChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Reads everything anew. Rejects with the driver's error, and then nothing has changed. */
  load(): Promise<void> {
    return this.#read((waiting) => {
      waiting.all = true;
    });
  }

  #heard({ subject }: Change): Promise<void> {
    return this.#read((waiting) => {
      const type = SUBJECT_TYPES.find((each) => subject.startsWith(`${each}:`));
      if (type !== undefined) waiting.subjects.set(subject, { type, id: subject.slice(type.length + 1) });
      else if (subject.startsWith('policy:')) waiting.policies = true;
      else waiting.all = true;
    });
  }

  /**
   * Reads what is asked for after the read that is under way, together with all else that is asked for until then. One
   * after the other, so that no older answer overwrites a newer one.
   */
  #read(ask: (waiting: Waiting) => void): Promise<void> {
    ask(this.#waiting);
    this.#next ??= this.#reading.then(() => {
      const { subjects, policies, all } = this.#waiting;
      this.#waiting = nothing();
      this.#next = null;
      const work = all ? this.#readAll() : this.#readSome([...subjects.values()], policies);
      this.#reading = work.catch(() => undefined);
      return work;
    });
    return this.#next;
  }

  async #readAll(): Promise<void> {
    const policies = await this.repository.policies();
    const rows = new Map<string, OverrideRow[]>();
    for await (const page of this.repository.allOverrides()) group(page, rows);
    this.#skipped.clear();
    this.#clients = new Map();
    this.#users = new Map();
    for (const [key, ofSubject] of rows) this.#keep(key, ofSubject);
    this.#keepPolicies(policies);
  }

  async #readSome(subjects: readonly Subject[], withPolicies: boolean): Promise<void> {
    const policies = withPolicies ? await this.repository.policies() : null;
    const rows = new Map<string, OverrideRow[]>(subjects.map(({ type, id }) => [`${type}:${id}`, []]));
    if (subjects.length > 0) group(await this.repository.overridesOf(subjects), rows);
    for (const [key, ofSubject] of rows) this.#keep(key, ofSubject);
    if (policies !== null) this.#keepPolicies(policies);
  }

  #keep(key: string, rows: readonly OverrideRow[]): void {
    const colon = key.indexOf(':');
    const overrides = key.slice(0, colon) === 'client' ? this.#clients : this.#users;
    const policies = rows.map((row) => this.#overrideOf(row)).filter((policy) => policy !== null);
    this.#noteSkipped(key, rows.length - policies.length);
    if (policies.length > 0) overrides.set(key.slice(colon + 1), { policies });
    else overrides.delete(key.slice(colon + 1));
  }

  #keepPolicies(rows: readonly PolicyRow[]): void {
    const policies = new Map<string, LimitPolicy>();
    for (const row of rows) {
      const policy = readPolicy(row, { type: 'policy', revision: row.revision, tier: row.tier });
      if (policy === null) logSkipped(`policy ${row.rateClass} ${row.tier === ANY_TIER ? 'for all tiers' : row.tier}`);
      else policies.set(`${row.rateClass}:${row.tier}`, policy);
    }
    this.#policies = policies;
    this.#noteSkipped(POLICIES, rows.length - policies.size);
    for (const listener of this.#listeners) listener();
  }

  #overrideOf(row: OverrideRow): LimitPolicy | null {
    const expiresAt = row.expiresAt?.getTime() ?? null;
    const policy = readPolicy(row, { type: 'override', revision: row.revision, expiresAt });
    if (policy === null) logSkipped(`override of a ${row.subjectType}`);
    return policy;
  }

  #noteSkipped(what: string, count: number): void {
    if (count > 0) this.#skipped.set(what, count);
    else this.#skipped.delete(what);
  }
}

function logSkipped(what: string): void {
  log('error', 'a row of the rate limits is not valid: passed over', { context: what });
}

function nothing(): Waiting {
  return { subjects: new Map(), policies: false, all: false };
}

function group(rows: readonly OverrideRow[], into: Map<string, OverrideRow[]>): void {
  for (const row of rows) {
    const key = `${row.subjectType}:${row.subjectId}`;
    const ofSubject = into.get(key);
    if (ofSubject === undefined) into.set(key, [row]);
    else ofSubject.push(row);
  }
}
