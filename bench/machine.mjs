// Which core does what, and what a process has used of one. Linux only; elsewhere nothing is pinned and CPU is unknown.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The checkout's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Ticks of /proc/<pid>/stat in a second. */
const TICKS = 100;

const pinnable = spawnSync('taskset', ['-p', String(process.pid)], { stdio: 'ignore' }).status === 0;
const cores = pinnable ? allowedCores() : [];

/** Load generator, Redis, PostgreSQL and upstream run here; null where processes cannot be pinned. */
export const LOAD_CORE = cores.length > 1 ? cores[0] : null;
/** The server under test runs here, alone; the launcher says which it is, since it has left only one core to choose. */
export const SERVER_CORE = process.env.BENCH_SERVER_CORE ?? (cores.length > 1 ? cores[1] : null);

/** The command pinned to a core. */
export function onCore(core, command) {
  return core === null ? command : ['taskset', '-c', String(core), ...command];
}

/** The cores this run may use, as the launcher saw them before it pinned itself; none where processes cannot be pinned. */
export const CORES = process.env.BENCH_CORES?.split(',').map(Number) ?? cores;

/** Bytes of memory a process holds, its threads' included; NaN where that cannot be read. */
export function residentBytes(pid) {
  try {
    const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of CPU a process has used, all its threads together; NaN where that cannot be read. */
export function cpuSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return Number.NaN;
  }
}

function allowedCores() {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (list ?? '').split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
