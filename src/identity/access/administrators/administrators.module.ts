import { Module } from '@nestjs/common';
import { AuditModule } from '../../../records/audit/audit.module.js';
import { AdministratorsRepository } from './administrators.repository.js';
import { AdministratorsService } from './administrators.service.js';

/** Who is in charge; also for processes that serve nobody, such as the command line. */
@Module({
  imports: [AuditModule],
  providers: [AdministratorsService, AdministratorsRepository],
  exports: [AdministratorsService],
})
export class AdministratorsModule {}
