#!/usr/bin/env node
// As much of curl as the quickstart's lines use, for machines without it.
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    'no-buffer': { type: 'boolean', short: 'N' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    data: { type: 'string', short: 'd' },
  },
});
const headers = values.header.map((line) => [
  line.slice(0, line.indexOf(':')),
  line.slice(line.indexOf(':') + 1).trim(),
]);
const [url = ''] = positionals;
const response = await fetch(url, { headers, method: values.data ? 'POST' : 'GET', body: values.data });
process.stdout.write(await response.text());
