import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError } from '../../../kernel/app-error.js';
import { PERMISSIONS } from '../../../kernel/handler-marks.js';
import { ConflictError } from '../../../kernel/identity-errors.js';
import { AuditService } from '../../../records/audit/audit.service.js';
import type { Author } from '../authority/author.js';
import { resourceOf } from '../check/permission-terms.js';
import { type FollowedChange, RoleChanges } from '../roles/role-changes.service.js';
import { PERMISSION_DESCRIPTIONS } from './permission-registry.js';
import { type CustomPermission, PermissionsRepository } from './permissions.repository.js';

/** A permission as it is shown. The times are null of those that are built in. */
export interface KnownPermission {
  readonly name: string;
  readonly description: string;
  readonly custom: boolean;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

export const MAX_CUSTOM = 1_000;

const BUILT_IN_RESOURCES: ReadonlySet<string> = new Set(PERMISSIONS.map(resourceOf));
const BUILT_IN: readonly KnownPermission[] = PERMISSIONS.map((name) => ({
  name,
  description: PERMISSION_DESCRIPTIONS[name],
  custom: false,
  createdAt: null,
  updatedAt: null,
}));

/**
 * The permissions there are: those built in, which routes ask for, and those that administrators make for applications of
 * their own, which roles can hold and `access/explain` decides on. The latter are of resources that core-nest has none
 * of, and no key is made for them.
 */
@Injectable()
export class PermissionsService {
  constructor(
    private readonly repository: PermissionsRepository,
    private readonly changes: RoleChanges,
    private readonly audit: AuditService,
  ) {}

  /** All of them, by name. */
  async all(): Promise<KnownPermission[]> {
    const custom = (await this.repository.all()).map(toKnown);
    return [...BUILT_IN, ...custom].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws NotFoundError */
  async get(name: string): Promise<KnownPermission> {
    return BUILT_IN.find((each) => each.name === name) ?? toKnown(found(await this.#find(name)));
  }

  /** @throws InvalidRequestError for a resource that is built in; ConflictError when there is one of the name, or too many. */
  create(author: Author, name: string, description: string): Promise<FollowedChange<KnownPermission>> {
    if (BUILT_IN_RESOURCES.has(resourceOf(name)))
      throw new InvalidRequestError([
        { location: 'body.name', message: `must be about something that is not built in; "${resourceOf(name)}" is` },
      ]);
    return this.changes.run(async (transaction) => {
      const existing = await this.repository.all(transaction);
      if (existing.some((each) => each.name === name))
        throw new ConflictError('There is a permission of this name already.');
      if (existing.length >= MAX_CUSTOM)
        throw new ConflictError(`There are ${MAX_CUSTOM} permissions that were made, which is the most. Delete one.`);
      await this.repository.insert(name, description, transaction);
      await this.audit.record(
        {
          action: 'permission.create',
          origin: author.origin,
          subject: { type: 'permission', id: name },
          details: { description },
        },
        transaction,
      );
      return toKnown(found(await this.repository.find(name, transaction)));
    });
  }

  /** @throws NotFoundError; ConflictError for one that is built in. */
  describe(author: Author, name: string, description: string): Promise<FollowedChange<KnownPermission>> {
    assertCustom(name);
    return this.changes.run(async (transaction) => {
      const current = found(await this.repository.find(name, transaction));
      await this.repository.describe(name, description, transaction);
      await this.audit.record(
        {
          action: 'permission.update',
          origin: author.origin,
          subject: { type: 'permission', id: name },
          details: { description, previous_description: current.description },
        },
        transaction,
      );
      return toKnown(found(await this.repository.find(name, transaction)));
    });
  }

  /** @throws NotFoundError; ConflictError for one that is built in, or that roles hold. */
  remove(author: Author, name: string): Promise<FollowedChange<void>> {
    assertCustom(name);
    return this.changes.run(async (transaction, graph) => {
      const { description } = found(await this.repository.find(name, transaction));
      const roles = [...graph.nodes()].filter(({ permissions }) => permissions.includes(name)).length;
      if (roles > 0)
        throw new ConflictError(`${roles} role${roles === 1 ? ' holds' : 's hold'} it. Take it from them first.`);
      await this.repository.remove(name, transaction);
      await this.audit.record(
        {
          action: 'permission.delete',
          origin: author.origin,
          subject: { type: 'permission', id: name },
          details: { description },
        },
        transaction,
      );
    });
  }

  /** PostgreSQL is not asked for what is no name: it would refuse a NUL character. */
  async #find(name: string): Promise<CustomPermission | null> {
    return isPermissionName(name) ? this.repository.find(name) : null;
  }
}

const NAME = /^[a-z][a-z0-9_]{0,47}:[a-z][a-z0-9_]{0,31}$/;

/** What the name of a permission looks like. */
export function isPermissionName(text: unknown): text is string {
  return typeof text === 'string' && NAME.test(text);
}

function toKnown({ name, description, createdAt, updatedAt }: CustomPermission): KnownPermission {
  return { name, description, custom: true, createdAt, updatedAt };
}

function found(permission: CustomPermission | null): CustomPermission {
  if (permission === null) throw new NotFoundError('There is no permission of this name.');
  return permission;
}

function assertCustom(name: string): void {
  if (BUILT_IN_RESOURCES.has(resourceOf(name))) throw new ConflictError('What is built in is not changed.');
  if (!isPermissionName(name)) throw new NotFoundError('There is no permission of this name.');
}
