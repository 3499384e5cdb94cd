import { Injectable } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import type { CommandResult } from '../../platform/command-line/command-words.js';
import { OPERATOR_ORIGIN } from '../../records/audit/audit.service.js';
import { Founding } from './founding.service.js';
import { presentUser } from './user-view.js';
import type { UsersCommand } from './users-command.js';

/** The commands on users, straight to PostgreSQL. */
@Injectable()
export class UsersCommandService {
  constructor(private readonly founding: Founding) {}

  /** @param password what came in for `readsPassword`. Throws what {@link Founding.create} throws. */
  async run({ user: input, isOwner }: UsersCommand, password: Secret | null): Promise<CommandResult> {
    const { user, token } = await this.founding.create(OPERATOR_ORIGIN, { ...input, isOwner, password });
    const roles = isOwner ? ['owner'] : [];
    const json = { ...presentUser(user), roles, invite_token: token?.reveal() ?? null };
    const lines = [
      `Made the user "${json.name}" <${json.email}>: ${json.status}${isOwner ? ', who administers everything' : ''}.`,
      '',
      `  user_id       ${json.user_id}`,
    ];
    if (json.invite_token !== null)
      lines.push(
        `  invite_token  ${json.invite_token}`,
        '',
        'The token is shown this once, and is good once and for seven days: POST /api/v1/auth/accept-invite {token, password}.',
      );
    return { json, text: lines.join('\n') };
  }
}
