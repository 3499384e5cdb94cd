import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ChangeFeed } from '../../../platform/replicas/change-feed.service.js';
import { RoleGraph } from './role-graph.js';
import { RoleGraphRepository } from './role-graph.repository.js';

export const ROLES_TOPIC = 'roles';

/**
 * The roles as PostgreSQL has them, in this process's memory. Every replica hears of a change within milliseconds, and
 * within half a second where the notification was lost. While PostgreSQL is away the last known ones stay in force;
 * before they were ever read, no role holds anything.
 */
@Injectable()
export class RoleGraphs implements OnModuleInit {
  #current = new RoleGraph();
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(
    private readonly repository: RoleGraphRepository,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.on(ROLES_TOPIC, () => this.load());
    this.feed.onResync(() => this.load());
  }

  /** The same object until something about roles or permissions changes. */
  get current(): RoleGraph {
    return this.#current;
  }

  /**
   * Reads everything anew, after the read that is under way: whoever asks until then is answered by the one read. Rejects
   * with the driver's error, and then nothing has changed.
   */
  load(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = null;
      const work = this.#read();
      this.#reading = work.catch(() => undefined);
      return work;
    });
    return this.#next;
  }

  async #read(): Promise<void> {
    this.#current = await this.repository.read();
  }
}
