import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEPLOY } from '../support/manifests.js';

/** Seconds after which core-nest closes an idle connection (`KEEP_ALIVE_MS` of the edge). */
const KEEP_ALIVE_SECONDS = 72;
const YEAR_SECONDS = 31_536_000;

describe('deploy/Caddyfile', () => {
  const lines = readFileSync(join(DEPLOY, 'Caddyfile'), 'utf8').replace(/^\s*#.*$/gm, '');

  it('answers plain HTTP with the way to HTTPS, and nothing else', () => {
    expect(block(lines, 'http://{$DOMAIN}')).toBe('redir https://{host}{uri} 308');
  });

  it('speaks TLS 1.2 and newer, and says that it always will', () => {
    const site = block(lines, 'https://{$DOMAIN}');
    expect(block(site, 'tls')).toBe('protocols tls1.2 tls1.3');
    const [, age] = /^Strict-Transport-Security "max-age=(\d+)"$/m.exec(block(site, 'header')) ?? [];
    expect(Number(age)).toBeGreaterThanOrEqual(YEAR_SECONDS);
    // Deferred, it replaces what core-nest says itself, which would stand there twice.
    expect(block(site, 'header')).toMatch(/^defer$/m);
  });

  it('is believed by core-nest, and so passes on nothing that a caller says of its address', () => {
    const proxy = block(block(lines, 'https://{$DOMAIN}'), 'reverse_proxy {$UPSTREAMS:app:3000}');
    expect(proxy).toMatch(/^header_up -Forwarded$/m);
    // Without trusted proxies of its own, Caddy writes X-Forwarded-For and X-Forwarded-Proto anew.
    expect(lines).not.toMatch(/trusted_proxies|header_up \+?X-Forwarded/);
  });

  it('asks each replica whether it is ready, passes streams on at once, and closes idle connections first', () => {
    const proxy = block(block(lines, 'https://{$DOMAIN}'), 'reverse_proxy {$UPSTREAMS:app:3000}');
    expect(proxy).toMatch(/^health_uri \/health\/ready$/m);
    expect(proxy).toMatch(/^flush_interval -1$/m);
    const [, idle] = /^keepalive (\d+)s$/m.exec(block(proxy, 'transport http')) ?? [];
    expect(Number(idle)).toBeLessThan(KEEP_ALIVE_SECONDS);
  });

  it('logs no header, and nothing of a query', () => {
    const log = block(block(lines, 'https://{$DOMAIN}'), 'log');
    expect(log).toMatch(/^request>headers delete$/m);
    expect(log).toMatch(/^resp_headers delete$/m);
    expect(log).toMatch(/^request>uri regexp \\\?\.\* \?\[redacted\]$/m);
  });
});

/** What stands between the braces after `head`, each line without its indentation. @throws Error when there is no such block. */
function block(text: string, head: string): string {
  const start = text.indexOf(`${head} {`);
  if (start === -1) throw new Error(`There is no "${head}".`);
  const from = start + head.length + 2;
  let depth = 1;
  let end = from;
  for (; end < text.length && depth > 0; end += 1) {
    if (text[end] === '{') depth += 1;
    if (text[end] === '}') depth -= 1;
  }
  const inner = text.slice(from, end - 1).split('\n');
  return inner
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}
