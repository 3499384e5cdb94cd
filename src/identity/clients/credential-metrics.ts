import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { SecretHasher } from '../hashing/secret-hasher.service.js';
import { CredentialService } from './credential.service.js';

/** Gives the numbers of the credential check to Prometheus. */
@Injectable()
export class CredentialMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly credentials: CredentialService,
    private readonly hasher: SecretHasher,
  ) {}

  onModuleInit(): void {
    this.metrics.counter(
      'credential_checks_total',
      'Credential checks by what answered them.',
      () => ({
        ...this.credentials.stats,
      }),
      'answered_by',
    );
    this.metrics.counter(
      'bcrypt_comparisons_total',
      'bcrypt comparisons of known clients.',
      () => this.credentials.comparisons,
    );
    this.metrics.gauge('bcrypt_waiting', 'Hashes waiting for a worker.', () => this.hasher.waiting);
  }
}
