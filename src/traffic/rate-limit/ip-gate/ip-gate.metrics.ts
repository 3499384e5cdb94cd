import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetricsService } from '../../../platform/health/metrics.service.js';
import { ActiveIpRules } from './active-ip-rules.service.js';
import { AutomaticBlocks } from './automatic-blocks.service.js';
import { FailureBudgets } from './failure-budgets.service.js';
import { IpGate } from './ip-gate.service.js';

/** What the gate counts, for `/metrics`. No address is ever a label: anybody could make as many series as it likes. */
@Injectable()
export class IpGateMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly gate: IpGate,
    private readonly rules: ActiveIpRules,
    private readonly budgets: FailureBudgets,
    private readonly blocks: AutomaticBlocks,
  ) {}

  onModuleInit(): void {
    const { metrics, gate, rules, budgets, blocks } = this;
    metrics.counter('ip_gate_blocked_total', 'Requests refused for their address.', () => gate.stats.blocked);
    metrics.gauge('ip_rules', 'Rules about addresses in force here.', () => rules.count(), 'action');
    metrics.counter('auth_failures_total', 'Credentials that were hashed and wrong.', () => budgets.stats.failed);
    metrics.counter(
      'auth_attempts_refused_total',
      'Credentials refused unhashed, by whose budget of failures was spent.',
      () => ({ ...budgets.stats.refused }),
      'budget',
    );
    metrics.counter(
      'automatic_blocks_total',
      'Addresses found guessing: blocked, spared, or not written.',
      () => ({ ...blocks.stats }),
      'outcome',
    );
  }
}
