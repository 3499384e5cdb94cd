// What is measured for how long.
import { parseArgs } from 'node:util';
import { SECTIONS } from './sections.mjs';

const NAMES = SECTIONS.map(({ name }) => name);

const FULL = {
  rounds: 5,
  seconds: 2,
  warmSeconds: 3,
  pacedSeconds: 4,
  pacedRounds: 3,
  attackSeconds: 10,
  clientCounts: [1_000, 100_000],
  listed: { clients: 1_000_000, logs: 10_000_000 },
};
const QUICK = {
  rounds: 2,
  seconds: 1,
  warmSeconds: 2,
  pacedSeconds: 2,
  pacedRounds: 2,
  attackSeconds: 5,
  clientCounts: [1_000, 5_000],
  listed: { clients: 20_000, logs: 100_000 },
};

export const USAGE = `Usage: npm run bench -- [--quick] [--check] [--only <section>]… [--profile <folder>]

  --quick     about two minutes in place of fifteen, and lists of a small installation
  --check     exit 1 when a floor is missed
  --only      ${NAMES.join(', ')}
  --profile   leave a CPU profile of core-nest there`;

/** @throws TypeError for words that are none of the options. */
export function readPlan(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      profile: { type: 'string' },
    },
  });
  const unknown = values.only.find((section) => !NAMES.includes(section));
  if (unknown !== undefined) throw new TypeError(`There is no section "${unknown}".`);
  return {
    ...(values.quick ? QUICK : FULL),
    quick: values.quick,
    check: values.check,
    profile: values.profile,
    sections: SECTIONS.filter(({ name }) => values.only.length === 0 || values.only.includes(name)),
  };
}
