import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsString, Length, ValidateIf } from 'class-validator';
import { MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS } from '../users/passwords.service.js';

/** What a sign-in holds at most, in bytes: the longest password in the longest spelling JSON has for it, and some. */
export const LOGIN_LIMIT_BYTES = 8_192;

const MODES = ['token', 'cookie'] as const;
const MAX_EMAIL = 320;
/** 128 characters in the longest form that comes down to them; what is longer is nobody's. */
const MAX_PASSWORD = 1_024;

/** Absent is fine; null is not. */
const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

/** Body of `POST /api/v1/auth/login`. What no user can have is not told from what no user has. */
export class LoginDto {
  @ApiProperty({ minLength: 1, maxLength: MAX_EMAIL, format: 'email', example: 'ada@example.com' })
  @Length(1, MAX_EMAIL, { message: `must be a text of 1 to ${MAX_EMAIL} characters` })
  email!: string;

  @ApiProperty({ minLength: 1, maxLength: MAX_PASSWORD, format: 'password', writeOnly: true })
  @Length(1, MAX_PASSWORD, { message: `must be a text of 1 to ${MAX_PASSWORD} characters` })
  password!: string;

  @ApiPropertyOptional({ default: false, description: 'With mode `cookie`: the session outlasts the browser.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  remember_me?: boolean;

  @ApiPropertyOptional({
    enum: MODES,
    default: 'token',
    description: '`token` answers with an access and a refresh token; `cookie` sets the cookie of a session.',
  })
  @MayBeAbsent()
  @IsIn(MODES, { message: `must be one of ${MODES.join(', ')}` })
  mode?: (typeof MODES)[number];
}

/** Body of `POST /api/v1/auth/reauthenticate`. */
export class ReauthenticateDto {
  @ApiProperty({ minLength: 1, maxLength: MAX_PASSWORD, format: 'password', writeOnly: true })
  @Length(1, MAX_PASSWORD, { message: `must be a text of 1 to ${MAX_PASSWORD} characters` })
  password!: string;
}

const ApiPassword = (description: string) =>
  ApiProperty({
    format: 'password',
    minLength: MIN_PASSWORD_CHARACTERS,
    maxLength: MAX_PASSWORD_CHARACTERS,
    description,
  });

/** Body of `POST /api/v1/me/password`. What a password may be is said by the policy. */
export class ChangePasswordDto {
  @ApiPassword('The present one.')
  @IsString({ message: 'must be a text' })
  current_password!: string;

  @ApiPassword('Any characters. Administrators need 15. Common, breached and easily guessed ones are not taken.')
  @IsString({ message: 'must be a text' })
  new_password!: string;
}

/** Who signed in. */
export class SignedInUserView {
  @ApiProperty({ example: 'usr_0123456789ABCDEFGHIJ' }) id!: string;
  @ApiProperty({ example: 'ada@example.com' }) email!: string;
  @ApiProperty({ example: 'Ada Lovelace' }) name!: string;
}

/** What a sign-in gives in either mode. */
class SignedInView {
  @ApiProperty({ example: 'ses_0123456789ABCDEFGHIJ' }) session_id!: string;
  @ApiProperty({ type: SignedInUserView }) user!: SignedInUserView;
}

/** A sign-in with tokens (RFC 6749, 5.1, and when the refresh token ends). */
export class TokenSignInView extends SignedInView {
  @ApiProperty({ description: 'A JWT (RFC 9068), to be sent as `Authorization: Bearer`.' }) access_token!: string;
  @ApiProperty({ enum: ['Bearer'] }) token_type!: 'Bearer';
  @ApiProperty({ example: 600, description: 'Seconds the access token lives.' }) expires_in!: number;
  @ApiProperty({ description: 'Good for one call of `POST /api/v1/auth/refresh`.' }) refresh_token!: string;
  @ApiProperty({ example: 1_209_600, description: 'Seconds until the refresh token ends unused.' })
  refresh_expires_in!: number;
}

/** A sign-in with a cookie. */
export class CookieSignInView extends SignedInView {
  @ApiProperty({ description: 'To be sent as `X-CSRF-Token` with every request that changes something.' })
  csrf_token!: string;
}
