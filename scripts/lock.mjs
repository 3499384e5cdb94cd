// Checks that package-lock.json has an entry for every optional package of every platform; with --write, adds them.
// A registry mirror that carries one platform's packages only makes npm leave the others out, and `npm ci` then refuses
// the lock file everywhere. An added entry has no integrity: npm fills it in where it can see the package.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/install.mjs';

const PATH = join(ROOT, 'package-lock.json');
const SYSTEM = /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)/;

const lock = JSON.parse(readFileSync(PATH, 'utf8'));
const missing = findMissing(lock.packages);
if (missing.length > 0 && process.argv.includes('--write')) {
  for (const [path, entry] of missing) lock.packages[path] = entry;
  const sorted = Object.entries(lock.packages).sort(([one], [other]) => (one < other ? -1 : 1));
  writeFileSync(PATH, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
} else if (missing.length > 0) {
  console.error(`package-lock.json lacks ${missing.map(([path]) => path).join(', ')}: run "npm run lock -- --write".`);
  process.exitCode = 1;
}

function findMissing(packages) {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {}, dev }]) =>
    Object.entries(optionalDependencies)
      .filter(([name, range]) => /^\d/.test(range) && !resolves(packages, path, name))
      .map(([name, version]) => [`node_modules/${name}`, entryOf(name, version, dev)]),
  );
}

function resolves(packages, from, name) {
  for (let base = from; ; base = base.slice(0, Math.max(base.lastIndexOf('node_modules/') - 1, 0))) {
    if (packages[base ? `${base}/node_modules/${name}` : `node_modules/${name}`]) return true;
    if (!base) return false;
  }
}

function entryOf(name, version, dev) {
  const [, os, cpu] = SYSTEM.exec(name) ?? [];
  if (!os) throw new Error(`The platform of ${name} cannot be read from its name: add its lock entry by hand.`);
  const libc = os !== 'linux' ? undefined : name.includes('musl') ? 'musl' : 'glibc';
  return { version, cpu: [cpu], ...(dev && { dev }), ...(libc && { libc: [libc] }), optional: true, os: [os] };
}
