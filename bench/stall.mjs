// How long the event loop stands still at worst while somebody guesses secrets.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { built } from './built.mjs';
import { paced, quantile } from './paced.mjs';

const GUESSES_PER_SECOND = 50;
const GOOD_PER_SECOND = 200;
/** One probe every 10 ms, as a load balancer's would be if it were in a hurry. */
const PROBES_PER_SECOND = 100;
const REPORT_MS = 5_000;

/**
 * Watches a core-nest under good traffic, first alone and then while wrong secrets arrive: half for a client that
 * exists, half for ids that do not, all well formed and with a right checksum, so that each one costs a bcrypt.
 *
 * @param good requests to alternate between.
 */
export async function watchStall(server, good, { clientId, loopDelayFile, seconds }) {
  const quiet = await watch(server, good, { loopDelayFile, seconds: Math.ceil(seconds / 2), guess: null });
  const attacked = await watch(server, good, { loopDelayFile, seconds, guess: await guesses(server, clientId) });
  return { quiet, attacked };
}

async function watch(server, good, { loopDelayFile, seconds, guess }) {
  rmSync(loopDelayFile, { force: true });
  server.signal('SIGUSR2');
  const [traffic, probes, wrong] = await Promise.all([
    paced((index) => good[index % good.length], { perSecond: GOOD_PER_SECOND, seconds }),
    paced(() => ({ url: `${server.origin}/health/live` }), { perSecond: PROBES_PER_SECOND, seconds }),
    guess === null ? { statuses: {} } : paced(guess, { perSecond: GUESSES_PER_SECOND, seconds }),
  ]);
  server.signal('SIGUSR2');
  const loop = await report(loopDelayFile);
  return {
    loop,
    goodP99: quantile(traffic.latencies, 0.99),
    goodMax: traffic.latencies.at(-1),
    goodStatuses: traffic.statuses,
    probeMax: probes.latencies.at(-1),
    guessStatuses: wrong.statuses,
  };
}

async function guesses(server, clientId) {
  const { generateClientId, generateCredential } = await built('identity/clients/api-key.js');
  return (index) => {
    const { apiKey } = generateCredential(index % 2 === 0 ? clientId : generateClientId('live'));
    return { url: `${server.origin}/api/v1/whoami`, headers: { authorization: `Bearer ${apiKey.reveal()}` } };
  };
}

async function report(file) {
  for (const deadline = Date.now() + REPORT_MS; Date.now() < deadline; await pause(20)) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text.endsWith('}')) return JSON.parse(text);
  }
  throw new Error('The server did not report the delays of its event loop.');
}
