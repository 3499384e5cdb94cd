import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingNames } from './load-settings.js';

describe('.env.example', () => {
  it('lists the settings that are read, and no other', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');
    const listed = [...text.matchAll(/^([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual(settingNames().sort());
  });
});
