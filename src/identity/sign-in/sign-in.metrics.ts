import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { SignInLockout } from './sign-in-lockout.service.js';
import { SignInOutcomes } from './sign-in-outcomes.js';

/** Gives the numbers of sign-in to Prometheus. Nothing in them says whose. */
@Injectable()
export class SignInMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly lockout: SignInLockout,
    private readonly outcomes: SignInOutcomes,
  ) {}

  onModuleInit(): void {
    this.metrics.counter('sign_ins_total', 'Sign-ins by how they ended.', () => ({ ...this.outcomes }), 'outcome');
    this.metrics.counter(
      'sign_in_attempts_refused_total',
      'Sign-ins refused without looking at the password, by the counter that was spent.',
      () => ({ ...this.lockout.stats }),
      'counter',
    );
  }
}
