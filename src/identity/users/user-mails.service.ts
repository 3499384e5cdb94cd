import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { MailService } from '../../platform/mail/mail.service.js';
import { type MailMessage, type MailParams, oneLine } from '../../platform/mail/mail-message.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { emailKeyOf } from './email-address.js';
import type { TokenPurpose } from './one-time-token.entity.js';
import { OneTimeTokens, TOKEN_SECONDS } from './one-time-tokens.service.js';
import { type User, UsersRepository } from './users.repository.js';

export const INVITE_MAIL = 'user.invite';
export const RESET_MAIL = 'user.reset_password';
export const VERIFY_MAIL = 'user.verify_email';
export const PASSWORD_CHANGED_MAIL = 'user.password_changed';
export const EMAIL_CHANGED_MAIL = 'user.email_changed';

const NOT_EXPECTED = 'If you did not expect this, do nothing: without the token nothing happens.';
const NOT_YOU = 'If that was not you, ask for a new password and tell an administrator.';

/**
 * What the mails to users say. Each is written when it is sent: a token is in one mail, and whoever is gone, suspended or
 * unknown by then is sent none. So asking for a mail costs the same for every address there is or is not.
 */
@Injectable()
export class UserMails implements OnModuleInit {
  readonly #site: string;

  constructor(
    private readonly mail: MailService,
    private readonly users: UsersRepository,
    private readonly tokens: OneTimeTokens,
    private readonly clock: DatabaseClock,
    settings: Settings,
  ) {
    this.#site = issuerOf(settings);
  }

  onModuleInit(): void {
    this.mail.compose(INVITE_MAIL, async ({ user_id: id = '' }, mailId) => {
      const user = await this.users.find(id);
      return user && this.#withToken('invite', user, user.email, mailId);
    });
    this.mail.compose(RESET_MAIL, async ({ email = '' }, mailId) => {
      const user = await this.users.findByEmailKey(emailKeyOf(email));
      // To the address that we know, whatever the other spelling of it was.
      return user && this.#withToken('reset_password', user, user.email, mailId);
    });
    this.mail.compose(VERIFY_MAIL, async ({ user_id: id = '', email = '' }, mailId) => {
      const user = await this.users.find(id);
      return user && this.#withToken('verify_email', user, email, mailId);
    });
    this.mail.compose(PASSWORD_CHANGED_MAIL, async (params) =>
      this.#notice(params, 'Your password was changed', `Your password at ${this.#site} was changed.`),
    );
    this.mail.compose(EMAIL_CHANGED_MAIL, async (params) =>
      this.#notice(
        params,
        'Your e-mail address was changed',
        `Your account at ${this.#site} has another e-mail address now.`,
      ),
    );
  }

  async #withToken(purpose: TokenPurpose, user: User, email: string, mailId: string): Promise<MailMessage | null> {
    const token = await this.tokens.mint(purpose, { userId: user.id, email }, mailId);
    if (token === null) return null;
    const { subject, why, route, fields } = SAID[purpose];
    const ends = new Date(this.clock.now() + TOKEN_SECONDS[purpose] * 1_000).toISOString().slice(0, 16);
    const lines = [
      `Hello ${oneLine(user.name)},`,
      '',
      `${why} ${this.#site}`,
      '',
      `This token is good once, and until ${ends.replace('T', ' ')} UTC:`,
      '',
      `  ${(token satisfies Secret).reveal()}`,
      '',
      'Use it like this:',
      '',
      `  curl ${this.#site}${route} \\`,
      "    -H 'Content-Type: application/json' \\",
      `    -d '{${fields}}'`,
      '',
      NOT_EXPECTED,
      '',
    ];
    return { to: email, subject, text: lines.join('\n') };
  }

  /** To the address that it was said to when it happened: the present one may be the thief's. */
  async #notice(
    { user_id: id = '', email = '' }: MailParams,
    subject: string,
    what: string,
  ): Promise<MailMessage | null> {
    const user = await this.users.find(id);
    if (user === null) return null;
    return { to: email, subject, text: [`Hello ${oneLine(user.name)},`, '', what, '', NOT_YOU, ''].join('\n') };
  }
}

const PASSWORD_FIELDS = '"token":"<token>","password":"<your password>"';

const SAID = {
  invite: {
    subject: 'You are invited to core-nest',
    why: 'You are invited to core-nest, here:',
    route: '/api/v1/auth/accept-invite',
    fields: PASSWORD_FIELDS,
  },
  reset_password: {
    subject: 'A new password for core-nest',
    why: 'A new password was asked for at',
    route: '/api/v1/auth/reset-password',
    fields: PASSWORD_FIELDS,
  },
  verify_email: {
    subject: 'Your e-mail address at core-nest',
    why: 'This address is to be yours at',
    route: '/api/v1/auth/verify-email',
    fields: '"token":"<token>"',
  },
} as const satisfies Record<TokenPurpose, Record<'subject' | 'why' | 'route' | 'fields', string>>;
