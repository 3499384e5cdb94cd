// What a run has to reach. A floor that is missed fails `--check`; a goal is only told.
import { digits } from './table.mjs';

/** @param holds whether a value is good enough. */
export function floor(text, value, holds, unit = '') {
  return { text, value: `${digits(value)}${unit}`, met: holds(value), required: true };
}

/** The same for what is aimed at. */
export function goal(text, value, holds, unit = '') {
  return { ...floor(text, value, holds, unit), required: false };
}
