import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateIf } from 'class-validator';
import { MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS } from './password-text.js';
import { IsEmailAddress, IsPersonName, IsRoleIdList, IsSecretText, IsUserTier, MAX_ROLES } from './users.validators.js';

/** What the routes of this room read of a body at most: a password of 128 characters, written as it may be, and the rest. */
export const ACCOUNT_BODY_LIMIT_BYTES = 8_192;

/** Absent is fine; null is not. */
const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);

const SETTABLE_STATUSES = ['active', 'suspended'] as const;

const ApiPassword = (description: string) =>
  ApiProperty({
    format: 'password',
    minLength: MIN_PASSWORD_CHARACTERS,
    maxLength: MAX_PASSWORD_CHARACTERS,
    description,
  });
const NEW_PASSWORD = 'Any characters. Administrators need 15. Common, breached and easily guessed ones are not taken.';
const ApiToken = () => ApiProperty({ description: 'The token of the mail.', example: 'ott_…' });

/** Body of `POST /api/v1/users`. */
export class CreateUserDto {
  @ApiProperty({ format: 'email', maxLength: 254 })
  @IsEmailAddress()
  email!: string;

  @ApiPropertyOptional({ minLength: 1, maxLength: 128, description: 'By default what stands before the @.' })
  @MayBeAbsent()
  @IsPersonName()
  name?: string;

  @ApiPropertyOptional({ default: 'paid', description: 'A tier of the rate-limit table.' })
  @MayBeAbsent()
  @IsUserTier()
  tier?: string;

  @ApiPropertyOptional({
    type: [String],
    maxItems: MAX_ROLES,
    uniqueItems: true,
    description:
      'Roles they are given everywhere, at once and without end, by their ids. Needs grants:write, and that you hold what they hold.',
  })
  @MayBeAbsent()
  @IsRoleIdList()
  initial_roles?: string[];
}

/** Body of `PATCH /api/v1/users/:user_id`: at least one field. */
export class UpdateUserDto {
  @ApiPropertyOptional({ minLength: 1, maxLength: 128 })
  @MayBeAbsent()
  @IsPersonName()
  name?: string;

  @ApiPropertyOptional({ description: 'A tier of the rate-limit table.' })
  @MayBeAbsent()
  @IsUserTier()
  tier?: string;

  @ApiPropertyOptional({
    enum: SETTABLE_STATUSES,
    description: '`suspended` keeps them out, `active` lets them in again.',
  })
  @MayBeAbsent()
  @IsIn(SETTABLE_STATUSES, { message: `must be one of ${SETTABLE_STATUSES.join(', ')}` })
  status?: (typeof SETTABLE_STATUSES)[number];
}

/** Body of `POST /api/v1/auth/accept-invite`. */
export class AcceptInvitationDto {
  @ApiToken()
  @IsSecretText()
  token!: string;

  @ApiPassword(NEW_PASSWORD)
  @IsSecretText()
  password!: string;

  @ApiPropertyOptional({ minLength: 1, maxLength: 128 })
  @MayBeAbsent()
  @IsPersonName()
  name?: string;
}

/** Body of `POST /api/v1/auth/forgot-password`. */
export class ForgotPasswordDto {
  @ApiProperty({ format: 'email', maxLength: 254 })
  @IsEmailAddress()
  email!: string;
}

/** Body of `POST /api/v1/auth/reset-password`. */
export class ResetPasswordDto {
  @ApiToken()
  @IsSecretText()
  token!: string;

  @ApiPassword(NEW_PASSWORD)
  @IsSecretText()
  password!: string;
}

/** Body of `POST /api/v1/auth/verify-email`. */
export class VerifyEmailDto {
  @ApiToken()
  @IsSecretText()
  token!: string;
}

/** Body of `POST /api/v1/me/email`. */
export class ChangeEmailDto {
  @ApiPassword('The present one.')
  @IsSecretText()
  current_password!: string;

  @ApiProperty({ format: 'email', maxLength: 254 })
  @IsEmailAddress()
  email!: string;
}
