// Plain text tables: first column to the left, numbers to the right.

/** @param rows arrays of cells, the head first. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)));
  const line = (row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : String(cell ?? '').padStart(widths[column])))
      .join('  ');
  return [line(rows[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.slice(1).map(line)].join('\n');
}

/** A number with three digits that count; ratios below a thousandth with one. */
export function digits(number) {
  if (!Number.isFinite(number)) return '?';
  if (number !== 0 && Math.abs(number) < 0.001) return number.toPrecision(1);
  if (Math.abs(number) >= 100) return number.toFixed(0);
  if (Math.abs(number) >= 10) return number.toFixed(1);
  return number.toFixed(Math.abs(number) < 0.1 ? 3 : 2);
}

/** A base that gets less of its core than this shares it, or its load does. */
const CROWDED = 0.75;

/** Rows of a comparison. `busy` is the part of its core the server used: well below 1, something else was the limit. */
export function comparison({ rows, repeated }) {
  const head = ['', 'ratio', 'range', 'by CPU', 'µs/request', 'busy', 'p50 ms', 'p99 ms'];
  const lines = rows.map(({ name, ratio, min, max, cpuRatio, cpuMicros, busy, p50, p99 }) => [
    name,
    digits(ratio),
    min === undefined ? '' : `${digits(min)}–${digits(max)}`,
    digits(cpuRatio),
    digits(cpuMicros),
    digits(busy),
    digits(p50),
    digits(p99),
  ]);
  const notes = [
    repeated === 0 ? '' : `\n${repeated} unsteady slices were measured again.`,
    rows[0].busy < CROWDED ? '\nOther programs held the cores: run this again on an idle machine.' : '',
  ];
  return `${table([head, ...lines])}${notes.join('')}`;
}
