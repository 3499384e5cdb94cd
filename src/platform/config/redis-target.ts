import { isIPv6 } from 'node:net';

export const REDIS_MODES = ['single', 'sentinel', 'cluster'] as const;
export type RedisMode = (typeof REDIS_MODES)[number];

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is and how it is spoken to. */
export interface RedisTarget {
  readonly mode: RedisMode;
  readonly tls: boolean;
  /** Of the server, of the Sentinels, or of any nodes of the Cluster. */
  readonly addresses: readonly RedisAddress[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** What the Sentinels call the master; empty in other modes. */
  readonly masterName: string;
  readonly database: number;
}

/** What is wrong with an address of Redis. The message never holds any of it. */
export class InvalidRedisTargetError extends Error {}

const FORM = /^(?:(redis|rediss)(?:\+(sentinel|cluster))?:\/\/)?(?:([^@/]*)@)?([^@/?#]+)(?:\/([^?#]*))?$/;
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?$/;
const MASTER_NAME = /^[A-Za-z0-9._-]+$/;
const DATABASE = /^\d{1,9}$/;
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;

/**
 * Reads `redis[s][+sentinel|+cluster]://[user[:password]@]host[:port][,host[:port]…][/…]`; with a `mode` the scheme may
 * be left out. What follows the slash is the database, for Sentinel `<master name>[/<database>]`, unless `masterName`
 * says that name.
 *
 * @throws InvalidRedisTargetError
 */
export function parseRedisTarget(text: string, mode?: RedisMode, masterName?: string): RedisTarget {
  const form = FORM.exec(text);
  if (form === null || (form[1] === undefined && mode === undefined))
    throw new InvalidRedisTargetError(
      'must be redis://host:port, redis+sentinel://host:port,…/master-name or redis+cluster://host:port,… ' +
        '(rediss… for TLS), or a list host:port,… with REDIS_MODE',
    );
  const [, scheme, suffix, account, list = '', path = ''] = form;
  const said = suffix as RedisMode | undefined;
  if (said !== undefined && mode !== undefined && said !== mode)
    throw new InvalidRedisTargetError('names another mode than REDIS_MODE');
  const chosen = said ?? mode ?? 'single';
  const addresses = list.split(',').map((item) => parseAddress(item, chosen));
  if (chosen === 'single' && addresses.length > 1)
    throw new InvalidRedisTargetError('names several servers, which needs +sentinel, +cluster or REDIS_MODE');
  return {
    mode: chosen,
    tls: scheme === 'rediss',
    addresses,
    ...parseAccount(account),
    ...parsePath(path, chosen, masterName),
  };
}

function parseAddress(text: string, mode: RedisMode): RedisAddress {
  const [, bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? (mode === 'sentinel' ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT) : Number(digits);
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed)) || port < 1 || port > 65_535)
    throw new InvalidRedisTargetError('must name its servers as host:port (an IPv6 address in brackets)');
  return { host, port };
}

function parseAccount(account: string | undefined): Pick<RedisTarget, 'username' | 'password'> {
  if (account === undefined) return { username: undefined, password: undefined };
  const [username = '', ...rest] = account.split(':');
  try {
    return {
      username: decodeURIComponent(username) || undefined,
      password: decodeURIComponent(rest.join(':')) || undefined,
    };
  } catch {
    throw new InvalidRedisTargetError('must have its user and password percent-encoded');
  }
}

function parsePath(
  path: string,
  mode: RedisMode,
  masterName: string | undefined,
): Pick<RedisTarget, 'masterName' | 'database'> {
  const parts = path.split('/');
  const name = mode !== 'sentinel' ? '' : (masterName ?? parts.shift() ?? '');
  if (mode === 'sentinel' && !MASTER_NAME.test(name))
    throw new InvalidRedisTargetError('must end in /<master name> for Sentinel, or REDIS_SENTINEL_MASTER must say it');
  const [database = '', ...others] = parts;
  if (others.length > 0 || (database !== '' && !DATABASE.test(database)))
    throw new InvalidRedisTargetError('must end in the number of a database, if in anything');
  if (mode === 'cluster' && Number(database) > 0)
    throw new InvalidRedisTargetError('must name no database: a Cluster has only number 0');
  return { masterName: name, database: Number(database) };
}
