import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { AccessGuard } from './access.guard.js';
import { AccessService } from './access.service.js';
import { AccessDenials } from './access-denials.service.js';
import { AdministratorsRepository } from './administrators/administrators.repository.js';
import { AdministratorsService } from './administrators/administrators.service.js';
import { CountryLookup, NO_COUNTRIES } from './check/country-lookup.js';
import { CustomPermissionEntity } from './permissions/custom-permission.entity.js';
import { ResourceOwners } from './resource-owners.service.js';
import { RoleEntity } from './roles/role.entity.js';
import { RoleGraphRepository } from './roles/role-graph.repository.js';
import { RoleGraphs } from './roles/role-graphs.service.js';
import { RoleParentEntity } from './roles/role-parent.entity.js';
import { RolePermissionEntity } from './roles/role-permission.entity.js';

/** What routes ask for, what roles and grants give, and the guard that holds identities to it. */
@Module({
  imports: [
    TypeOrmModule.forFeature([RoleEntity, RolePermissionEntity, RoleParentEntity, CustomPermissionEntity]),
    ReplicasModule,
  ],
  providers: [
    AccessService,
    AccessGuard,
    AccessDenials,
    ResourceOwners,
    AdministratorsService,
    AdministratorsRepository,
    RoleGraphs,
    RoleGraphRepository,
    { provide: CountryLookup, useValue: NO_COUNTRIES },
  ],
  exports: [AccessService, AccessGuard, AccessDenials, AdministratorsService, ResourceOwners],
})
export class AccessModule {}
