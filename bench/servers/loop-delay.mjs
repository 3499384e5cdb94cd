// Loaded before a server (`--import`). SIGUSR2 begins to watch its event loop; the next one ends that and writes what was
// seen, in milliseconds, to the file named by LOOP_DELAY_FILE. Between the two nothing of it runs.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
let watch = null;

process.on('SIGUSR2', () => {
  if (watch === null) {
    watch = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    watch.enable();
    return;
  }
  watch.disable();
  const stall = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const seen = { max: stall(watch.max), p99: stall(watch.percentile(99)), p50: stall(watch.percentile(50)) };
  watch = null;
  writeFileSync(process.env.LOOP_DELAY_FILE, JSON.stringify(seen));
});
