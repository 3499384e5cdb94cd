import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM files of an authority and of a server on 127.0.0.1 that it vouches for; made by openssl when asked for. */
export interface TestCertificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  remove(): void;
}

export function makeCertificates(): TestCertificates {
  const directory = mkdtempSync(join(tmpdir(), 'core-nest-tls-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
  );
  openssl('req', ...newKey, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', '/CN=redis');
  writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const issuer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    ...issuer,
    '-days',
    '2',
    '-extfile',
    file('names'),
    '-out',
    file('server.pem'),
  );
  return {
    ca: file('ca.pem'),
    certificate: file('server.pem'),
    key: file('server.key'),
    remove: () => rmSync(directory, { recursive: true }),
  };
}
