import { Module } from '@nestjs/common';
import { AccessGuard } from './access.guard.js';
import { AccessService } from './access.service.js';

/** What routes ask for, and the guard that holds identities to it. */
@Module({ providers: [AccessService, AccessGuard], exports: [AccessService, AccessGuard] })
export class AccessModule {}
