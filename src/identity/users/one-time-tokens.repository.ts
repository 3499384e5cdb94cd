import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, LessThan } from 'typeorm';
import type { Transaction } from '../../platform/database/transactions.js';
import { OneTimeTokenEntity, type TokenPurpose } from './one-time-token.entity.js';
import { UserEntity, type UserStatus } from './user.entity.js';

/** Whom a token was sent to. */
export interface TokenHolder {
  readonly userId: string;
  /** The address it was sent to. */
  readonly email: string;
}

export interface TokenToMint extends TokenHolder {
  readonly tokenHash: string;
  readonly purpose: TokenPurpose;
  /** The mail it is in; null for one that is shown instead. */
  readonly mailId: string | null;
  readonly seconds: number;
}

/** What the user has to be for a token to be good: an invitation that was accepted is none any more. */
const STATUS_FOR: Readonly<Record<TokenPurpose, UserStatus>> = {
  invite: 'invited',
  verify_email: 'active',
  reset_password: 'active',
};

/** A token is good for the address that it was sent to: no longer once the user has another, unless it brings that one. */
const IS_GOOD = `token.token_hash = $1 AND token.purpose = $2 AND token.expires_at > now()
  AND person.id = token.user_id AND person.status = $3
  AND (token.purpose = 'verify_email' OR person.email = token.email)`;

/** One-time tokens, by their hashes. Every call rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class OneTimeTokensRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * Stores a token; one in the same mail gives way to it.
   *
   * @param atMostAnHour tokens for the same that may be made in an hour.
   * @returns false when there were as many, or the user is not one for whom it would be good.
   */
  mint(token: TokenToMint, atMostAnHour: number, transaction?: Transaction): Promise<boolean> {
    return transaction === undefined
      ? this.source.transaction((own) => mintWithin(own, token, atMostAnHour))
      : mintWithin(transaction, token, atMostAnHour);
  }

  /** Whom a token that is good was sent to; null for any other. */
  async find(tokenHash: string, purpose: TokenPurpose): Promise<TokenHolder | null> {
    const [found] = await this.source.manager.query<TokenHolder[]>(
      `SELECT token.user_id AS "userId", token.email FROM one_time_tokens AS token, users AS person WHERE ${IS_GOOD}`,
      [tokenHash, purpose, STATUS_FOR[purpose]],
    );
    return found ?? null;
  }

  /**
   * Takes a token that is good: of however many at once, one gets it, if its transaction commits. The user's row is locked
   * first, as by everybody who changes users.
   */
  async take(tokenHash: string, purpose: TokenPurpose, transaction: Transaction): Promise<TokenHolder | null> {
    const [[taken]] = await transaction.query<[TokenHolder[], number]>(
      `WITH holder AS (
         SELECT person.id FROM one_time_tokens AS token, users AS person WHERE ${IS_GOOD} FOR UPDATE OF person
       )
       DELETE FROM one_time_tokens AS token USING holder WHERE token.token_hash = $1 AND token.user_id = holder.id
       RETURNING token.user_id AS "userId", token.email`,
      [tokenHash, purpose, STATUS_FOR[purpose]],
    );
    return taken ?? null;
  }

  /** Forgets the tokens that ended before `time`. */
  async removeEnded(time: Date): Promise<void> {
    await this.source.manager.delete(OneTimeTokenEntity, { expiresAt: LessThan(time) });
  }
}

async function mintWithin(transaction: Transaction, token: TokenToMint, atMostAnHour: number): Promise<boolean> {
  const { tokenHash, purpose, userId, email, mailId, seconds } = token;
  // Under the user's lock, so that none is made beside those that are counted.
  const person = await transaction.findOne(UserEntity, {
    where: { id: userId, status: STATUS_FOR[purpose] },
    lock: { mode: 'pessimistic_write' },
  });
  if (person === null) return false;
  const { length } = await transaction.query(
    `INSERT INTO one_time_tokens (token_hash, purpose, user_id, email, mail_id, expires_at)
     SELECT $1, $2, $3, $4, $5::bigint, now() + make_interval(secs => $6)
     WHERE (SELECT count(*) FROM one_time_tokens
            WHERE user_id = $3 AND purpose = $2 AND created_at > now() - interval '1 hour'
              AND mail_id IS DISTINCT FROM $5::bigint) < $7
     ON CONFLICT (mail_id) DO UPDATE SET token_hash = EXCLUDED.token_hash, expires_at = EXCLUDED.expires_at
     RETURNING token_hash`,
    [tokenHash, purpose, userId, email, mailId, seconds, atMostAnHour],
  );
  return length === 1;
}
