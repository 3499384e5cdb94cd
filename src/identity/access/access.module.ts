import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { GeoModule } from '../../platform/geo/geo.module.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AuditModule } from '../../records/audit/audit.module.js';
import { DeniedPermissionsModule } from '../../records/audit/denials/denied-permissions.module.js';
import { PrincipalsModule } from '../principals/principals.module.js';
import { AccessGuard } from './access.guard.js';
import { AccessService } from './access.service.js';
import { AdministratorsModule } from './administrators/administrators.module.js';
import { AccessController } from './explain/access.controller.js';
import { ExplainRepository } from './explain/explain.repository.js';
import { ExplainService } from './explain/explain.service.js';
import { WhoCanRepository } from './explain/who-can.repository.js';
import { WhoCanService } from './explain/who-can.service.js';
import { GrantEntity } from './grants/grant.entity.js';
import { GrantsController } from './grants/grants.controller.js';
import { GrantsRepository } from './grants/grants.repository.js';
import { GrantsService } from './grants/grants.service.js';
import { CustomPermissionEntity } from './permissions/custom-permission.entity.js';
import { PermissionsController } from './permissions/permissions.controller.js';
import { PermissionsRepository } from './permissions/permissions.repository.js';
import { PermissionsService } from './permissions/permissions.service.js';
import { ResourceOwners } from './resource-owners.service.js';
import { RoleEntity } from './roles/role.entity.js';
import { RoleChanges } from './roles/role-changes.service.js';
import { RoleGraphRepository } from './roles/role-graph.repository.js';
import { RoleGraphs } from './roles/role-graphs.service.js';
import { RoleParentEntity } from './roles/role-parent.entity.js';
import { RolePermissionEntity } from './roles/role-permission.entity.js';
import { RolesController } from './roles/roles.controller.js';
import { RolesRepository } from './roles/roles.repository.js';
import { RolesService } from './roles/roles.service.js';

/** What routes ask for, what roles and grants give, and the guard that holds identities to it. */
@Module({
  imports: [
    TypeOrmModule.forFeature([RoleEntity, RolePermissionEntity, RoleParentEntity, CustomPermissionEntity, GrantEntity]),
    DatabaseModule,
    ReplicasModule,
    AuditModule,
    DeniedPermissionsModule,
    AdministratorsModule,
    GeoModule,
    PrincipalsModule,
  ],
  controllers: [RolesController, PermissionsController, GrantsController, AccessController],
  providers: [
    AccessService,
    AccessGuard,
    ResourceOwners,
    RoleGraphs,
    RoleGraphRepository,
    RoleChanges,
    RolesService,
    RolesRepository,
    PermissionsService,
    PermissionsRepository,
    GrantsService,
    GrantsRepository,
    ExplainService,
    ExplainRepository,
    WhoCanService,
    WhoCanRepository,
  ],
  exports: [AccessService, AccessGuard, ResourceOwners, AdministratorsModule, GrantsService],
})
export class AccessModule {}
