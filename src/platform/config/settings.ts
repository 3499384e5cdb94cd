import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength } from 'class-validator';
import { PeopleSettings } from './people-settings.js';
import { REDIS_MODES, type RedisMode } from './redis-target.js';
import { IsCertificateFile, IsRedisTarget, NeedsSetting } from './redis-target.validators.js';
import {
  IsAttemptBudget,
  IsCidrList,
  IsHttpBaseUrl,
  IsModelAliases,
  IsOriginList,
  IsRateLimits,
} from './settings.validators.js';

/**
 * Every setting, read from the environment once, validated before anything listens, and frozen.
 *
 * The property names are the variables' names. `.env.example` lists each one; a check keeps the two equal.
 */
export class Settings extends PeopleSettings {
  /** Port of the HTTP server; 0 picks a free one. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(65535)
  PORT: number = 3000;

  /** Address to listen on. Loopback unless the operator opens it. */
  @IsString()
  @MinLength(1)
  HOST: string = '127.0.0.1';

  /** PostgreSQL, as `postgres://user:password@host:port/database`. */
  @IsString()
  @Matches(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// URL' })
  DATABASE_URL!: string;

  /**
   * The same database by the account that migrates, where the service's own shall not be able to change the audit log.
   * Only `npm run migrate` uses it.
   */
  @IsOptional()
  @IsString()
  @Matches(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// URL' })
  DATABASE_MIGRATION_URL?: string;

  /** A replica of that PostgreSQL, from which lists may be read; authentication never is. Absent: there is none. */
  @IsOptional()
  @IsString()
  @Matches(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// URL' })
  DATABASE_READ_URL?: string;

  /** Connections this process may hold to PostgreSQL, and as many to its replica. */
  @Type(() => Number)
  @IsInt()
  @Min(2)
  @Max(1000)
  DATABASE_POOL_SIZE: number = 10;

  /**
   * Redis: `redis://host:port`, `redis+sentinel://host:port,…/master-name` or `redis+cluster://host:port,…`; `rediss…` for
   * TLS. Absent: one process on in-process state.
   */
  @IsOptional()
  @IsRedisTarget()
  REDIS_URL?: string;

  /** `single`, `sentinel` or `cluster`, where `REDIS_URL` is a plain list of `host:port`. */
  @IsOptional()
  @IsIn(REDIS_MODES)
  @NeedsSetting('REDIS_URL')
  REDIS_MODE?: RedisMode;

  /** What the Sentinels call the master, where `REDIS_URL` does not end in it. */
  @IsOptional()
  @IsString()
  REDIS_SENTINEL_MASTER?: string;

  /** Account at Redis, where `REDIS_URL` holds none. */
  @IsOptional()
  @IsString()
  REDIS_USERNAME?: string;

  /** Password for Redis, where `REDIS_URL` holds none. */
  @IsOptional()
  @IsString()
  REDIS_PASSWORD?: string;

  /** Account at the Sentinels themselves, if they ask for one. */
  @IsOptional()
  @IsString()
  REDIS_SENTINEL_USERNAME?: string;

  /** Password for the Sentinels themselves, if they ask for one. */
  @IsOptional()
  @IsString()
  REDIS_SENTINEL_PASSWORD?: string;

  /** PEM file with the certificate authorities that Redis's certificate is checked against, instead of the system's. */
  @IsOptional()
  @IsCertificateFile()
  REDIS_TLS_CA_FILE?: string;

  /** Root of every derived key (HMACs of the credential cache). At least 32 characters of random text. */
  @IsString()
  @MinLength(32, { message: 'must have at least 32 characters; make one with: openssl rand -base64 48' })
  MASTER_KEY!: string;

  /** Proxies whose forwarding header is believed: addresses and CIDR ranges, separated by commas. */
  @IsOptional()
  @IsCidrList()
  TRUSTED_PROXIES: string = '';

  /** The header they say it in: `x-forwarded-for`, `forwarded` (RFC 7239), or `auto`: the second if the first is missing. */
  @IsIn(['auto', 'x-forwarded-for', 'forwarded'])
  TRUSTED_PROXY_HEADER: 'auto' | 'x-forwarded-for' | 'forwarded' = 'auto';

  /** `on` refuses plain HTTP with 403 unless a trusted proxy says that the client came by TLS. */
  @IsIn(['on', 'off'])
  HTTPS_REQUIRED: string = 'off';

  /** Wrong credentials one address (IPv4, IPv6 /64) may try: `attempts/seconds`, or `off`. */
  @IsAttemptBudget()
  AUTH_FAILURES_PER_ADDRESS: string = '10/60';

  /** Wrong credentials that may be tried on one client id: `attempts/seconds`, or `off`. */
  @IsAttemptBudget()
  AUTH_FAILURES_PER_CLIENT: string = '30/60';

  /** Wrong or refused attempts after which an address is blocked for a while: `attempts/seconds`, or `off`. */
  @IsAttemptBudget()
  AUTO_BLOCK_FAILURES: string = '200/600';

  /** Client ids tried in vain after which an address is blocked for a while: `ids/seconds`, or `off`. */
  @IsAttemptBudget()
  AUTO_BLOCK_CLIENT_IDS: string = '20/600';

  /** Browser origins that may call, separated by commas. Empty: CORS is off. */
  @IsOptional()
  @IsOriginList()
  CORS_ALLOWED_ORIGINS: string = '';

  /** Least severe event to log. */
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: string = 'info';

  /** Seconds accepted requests may take to finish after SIGTERM. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(3600)
  SHUTDOWN_GRACE_SECONDS: number = 25;

  /** Largest request body, in bytes, of an authenticated caller on the LLM routes. */
  @Type(() => Number)
  @IsInt()
  @Min(1024)
  MAX_BODY_BYTES: number = 33_554_432;

  /** Seconds a cached credential lives after its last successful use (sliding expiration). */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(86_400)
  AUTH_CACHE_TTL_SECONDS: number = 300;

  /** Seconds after which a cached credential is compared with PostgreSQL again. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(3600)
  AUTH_CACHE_RECHECK_SECONDS: number = 60;

  /** Cost factor of the bcrypt hashes that are made. */
  @Type(() => Number)
  @IsInt()
  @Min(4)
  @Max(15)
  BCRYPT_COST: number = 10;

  /** Worker threads that hash. 0: one less than the cores, at least one. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(64)
  BCRYPT_THREADS: number = 0;

  /** Hashes that may wait for a worker; one more is answered 503. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(10_000)
  BCRYPT_QUEUE: number = 64;

  /** Overrides of the bucket table: `class[.tier]=quota/seconds`, separated by commas. */
  @IsOptional()
  @IsRateLimits()
  RATE_LIMITS: string = '';

  /** Streams of the LLM routes one client may have under way at once, over all replicas. 0: not limited. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  MAX_CONCURRENT_STREAMS_PER_CLIENT: number = 100;

  /** Largest request body, in bytes, of a caller with only a provider token. */
  @Type(() => Number)
  @IsInt()
  @Min(1024)
  BYOT_MAX_BODY_BYTES: number = 4_194_304;

  /** Requests one address may have under way at once with only a provider token, over all replicas. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  BYOT_MAX_CONCURRENT_PER_ADDRESS: number = 20;

  /** House key for OpenAI. */
  @IsOptional()
  @IsString()
  OPENAI_API_KEY?: string;

  /** Where OpenAI's API is; ends in `/v1`. */
  @IsHttpBaseUrl()
  OPENAI_BASE_URL: string = 'https://api.openai.com/v1';

  /** House key for Anthropic. */
  @IsOptional()
  @IsString()
  ANTHROPIC_API_KEY?: string;

  /** Where Anthropic's API is; no version path. */
  @IsHttpBaseUrl()
  ANTHROPIC_BASE_URL: string = 'https://api.anthropic.com';

  /** House key for Gemini. */
  @IsOptional()
  @IsString()
  GEMINI_API_KEY?: string;

  /** Where Gemini's API is; no version path. */
  @IsHttpBaseUrl()
  GEMINI_BASE_URL: string = 'https://generativelanguage.googleapis.com';

  /** Own names for models: `alias=provider/model`, separated by commas. */
  @IsOptional()
  @IsModelAliases()
  MODEL_ALIASES: string = '';

  /** Model that `POST /api/v1/query` uses when the request names none. */
  @IsString()
  @Matches(/^[a-z-]+\/.+$/, { message: 'must be provider/model' })
  QUERY_DEFAULT_MODEL: string = 'core-nest/echo';

  /** Milliseconds to wait for a connection to a provider. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  PROVIDER_CONNECT_TIMEOUT_MS: number = 5_000;

  /** Milliseconds to wait for a provider's response headers. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  PROVIDER_FIRST_BYTE_TIMEOUT_MS: number = 120_000;

  /** Milliseconds a provider may pause inside a response. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  PROVIDER_IDLE_TIMEOUT_MS: number = 60_000;

  /** Days of API log to keep; older day partitions are dropped. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(3650)
  API_LOG_RETENTION_DAYS: number = 30;

  /** Days of requests by client and hour to keep; they outlive the log they were made from. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(3650)
  API_LOG_ROLLUP_RETENTION_DAYS: number = 400;

  /** Log rows that may wait to be written; one more is shed and counted. */
  @Type(() => Number)
  @IsInt()
  @Min(100)
  @Max(1_000_000)
  API_LOG_QUEUE: number = 20_000;

  /** What `/docs` and `/openapi.json` are: `on` or `off`. */
  @IsIn(['on', 'off'])
  @MaxLength(3)
  DOCS: string = 'on';
}
