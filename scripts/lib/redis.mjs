import { spawnSync } from 'node:child_process';
import { Stop } from './install.mjs';

/**
 * Makes sure that a redis-server is on the PATH, by apt-get where it is not.
 *
 * @throws Stop when it is not there and cannot be installed from here.
 */
export function bringRedis() {
  if (hasRedis()) return 'found on the PATH';
  const root = process.getuid?.() === 0;
  const prefix = root ? [] : ['sudo', '-n'];
  // Runlevel 1: the package's own service is not started.
  const apt = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-q', '-y'];
  for (const words of [['update'], ['install', '--no-install-recommends', 'redis-server']]) {
    spawnSync(apt[0] ?? 'env', [...apt.slice(1), ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (hasRedis()) return 'installed by apt-get';
  throw new Stop(
    `There is no redis-server on the PATH and apt-get could not install one${root ? '' : ' without root'}: ` +
      'install it (apt-get install redis-server), then try again.',
  );
}

function hasRedis() {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}
