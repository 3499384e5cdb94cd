import { Type } from 'class-transformer';
import { IsEmail, IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength } from 'class-validator';
import { IsHttpBaseUrl } from './settings.validators.js';

const DAY_SECONDS = 86_400;

/** The settings of people: users, sign-in, tokens, sessions. */
export class PeopleSettings {
  /** Where callers reach this service, without a path: the issuer of its tokens, and what links in mails begin with. Absent: http://localhost with PORT. */
  @IsOptional()
  @IsHttpBaseUrl()
  PUBLIC_URL?: string;

  /** The audience of access tokens. */
  @IsString()
  @Matches(/^[\x21-\x7e]{1,255}$/, { message: 'must be 1 to 255 visible ASCII characters' })
  JWT_AUDIENCE: string = 'core-nest';

  /** Seconds an access token lives. */
  @Type(() => Number)
  @IsInt()
  @Min(30)
  @Max(3600)
  ACCESS_TOKEN_TTL_SECONDS: number = 600;

  /** Seconds after which a refresh token that was not used has ended. */
  @Type(() => Number)
  @IsInt()
  @Min(60)
  @Max(400 * DAY_SECONDS)
  REFRESH_IDLE_SECONDS: number = 1_209_600;

  /** Seconds after a sign-in at which its refresh tokens end, used or not. */
  @Type(() => Number)
  @IsInt()
  @Min(60)
  @Max(400 * DAY_SECONDS)
  REFRESH_TTL_SECONDS: number = 5_184_000;

  /** Days after which a new key signs tokens. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(365)
  SIGNING_KEY_DAYS: number = 30;

  /** Seconds after which a session by cookie that was not used has ended. */
  @Type(() => Number)
  @IsInt()
  @Min(60)
  @Max(400 * DAY_SECONDS)
  SESSION_IDLE_SECONDS: number = 1_800;

  /** Seconds after its sign-in at which a session by cookie ends, used or not. */
  @Type(() => Number)
  @IsInt()
  @Min(60)
  @Max(400 * DAY_SECONDS)
  SESSION_TTL_SECONDS: number = 43_200;

  /** The same, and the idle time as well, for whoever asked to be remembered. */
  @Type(() => Number)
  @IsInt()
  @Min(60)
  @Max(400 * DAY_SECONDS)
  SESSION_REMEMBER_SECONDS: number = 1_209_600;

  /** Sessions one user may have at once. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  SESSIONS_PER_USER: number = 10;

  /** What a sign-in does when there are as many: `end_oldest` or `refuse`. */
  @IsIn(['end_oldest', 'refuse'])
  SESSIONS_WHEN_FULL: 'end_oldest' | 'refuse' = 'end_oldest';

  /** Cost factor of the bcrypt hashes of passwords. */
  @Type(() => Number)
  @IsInt()
  @Min(4)
  @Max(15)
  PASSWORD_BCRYPT_COST: number = 12;

  /** `on` demands upper and lower case, a digit and another character in passwords, for those who must. */
  @IsIn(['on', 'off'])
  PASSWORD_COMPOSITION: 'on' | 'off' = 'off';

  /** Wrong passwords of one account that are looked at in a day, over all replicas. */
  @Type(() => Number)
  @IsInt()
  @Min(5)
  @Max(10_000)
  SIGN_IN_GUESSES_PER_DAY: number = 100;

  /** How mail leaves: `smtp://user:password@host:port`, `smtps://…`, or `folder:<directory>`, which keeps it in files. */
  @IsString()
  @Matches(/^(?:smtps?:\/\/.+|folder:.+)$/, { message: 'must be an smtp:// or smtps:// URL, or folder:<directory>' })
  MAIL_URL: string = 'folder:.data/mail';

  /** Whom mail comes from. */
  @IsString()
  @MinLength(3)
  @MaxLength(255)
  @Matches(/^[^\r\n]+$/, { message: 'must be one line' })
  MAIL_FROM: string = 'core-nest <no-reply@localhost>';

  /** E-mail address of the first administrator, made at start while there is none. */
  @IsOptional()
  @IsEmail()
  BOOTSTRAP_ADMIN_EMAIL?: string;

  /** Their password, to be changed after the first sign-in. */
  @IsOptional()
  @IsString()
  @MinLength(15, { message: 'must have at least 15 characters' })
  @MaxLength(128)
  BOOTSTRAP_ADMIN_PASSWORD?: string;

  /** File in MaxMind's format that tells the country of an address. Absent: the one that is shipped. */
  @IsOptional()
  @IsString()
  GEO_COUNTRY_FILE?: string;
}
