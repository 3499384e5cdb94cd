import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HealthModule } from '../health/health.module.js';
import { MetricsService } from '../health/metrics.service.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { MailService } from './mail.service.js';
import { MailDelivery } from './mail-delivery.js';
import { MailOutboxEntity } from './mail-outbox.entity.js';
import { MailOutboxRepository } from './mail-outbox.repository.js';
import { MailTransport } from './mail-transport.js';

/** Mail: promised in a transaction, delivered by a job. */
@Module({
  imports: [TypeOrmModule.forFeature([MailOutboxEntity]), JobsModule, HealthModule],
  providers: [MailService, MailOutboxRepository, MailDelivery, MailTransport],
  exports: [MailService],
})
export class MailModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly delivery: MailDelivery,
  ) {}

  onModuleInit(): void {
    const { stats } = this.delivery;
    this.metrics.counter('mails_total', 'Mails by what became of each try.', () => ({ ...stats }), 'outcome');
  }
}
