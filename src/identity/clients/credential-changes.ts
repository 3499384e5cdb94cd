import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { CredentialService } from './credential.service.js';

/**
 * Ends what this process remembers of a client, whoever changed it and however. Those of the last day are heard before
 * it serves: a Redis that falls back to an older copy of itself cannot bring back what was ended while it was down.
 */
@Injectable()
export class CredentialChanges implements OnModuleInit {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly credentials: CredentialService,
  ) {}

  onModuleInit(): void {
    this.feed.on('client', ({ subject, version }) => this.credentials.endLocally(subject, version ?? '0'), {
      replay: true,
    });
    this.feed.onResync(() => this.credentials.forgetAll());
  }
}
