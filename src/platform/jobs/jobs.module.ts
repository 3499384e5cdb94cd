import { Module } from '@nestjs/common';
import { AdvisoryLockRepository } from './advisory-lock.repository.js';
import { PeriodicService } from './periodic.service.js';

/** Background work, once across replicas where it asks for that. */
@Module({ providers: [PeriodicService, AdvisoryLockRepository], exports: [PeriodicService] })
export class JobsModule {}
