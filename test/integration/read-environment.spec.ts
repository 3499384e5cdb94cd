import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidSettingsError } from '../../src/platform/config/load-settings.js';
import { readEnvironment } from '../../src/platform/config/read-environment.js';

const EMBEDDED = 'DATABASE_URL=postgres://embedded\nMASTER_KEY=embedded-key\n';

describe('readEnvironment', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'core-nest-env-'));
    mkdirSync(join(directory, '.data'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('is what is given where there are no files', () => {
    expect(readEnvironment(directory, { PORT: '1' })).toEqual({ PORT: '1' });
    expect(readEnvironment(join(directory, 'nowhere'), {})).toEqual({});
  });

  it('takes what is set over what .env says', () => {
    writeFileSync(join(directory, '.env'), 'DATABASE_URL=postgres://file\nPORT=2\n# a comment\n');
    expect(readEnvironment(directory, { PORT: '1' })).toEqual({ DATABASE_URL: 'postgres://file', PORT: '1' });
  });

  it('finds the embedded database where no other is named, and keeps Redis out of it', () => {
    writeFileSync(join(directory, '.data/env'), EMBEDDED);
    expect(readEnvironment(directory, { REDIS_URL: 'redis://x' })).toMatchObject({
      DATABASE_URL: 'postgres://embedded',
      MASTER_KEY: 'embedded-key',
      REDIS_URL: '',
    });
  });

  it('leaves the embedded database alone where another is named', () => {
    writeFileSync(join(directory, '.data/env'), EMBEDDED);
    const given = { DATABASE_URL: 'postgres://other' };
    expect(readEnvironment(directory, given)).toEqual(given);
  });

  it('takes a file without a database for none', () => {
    writeFileSync(join(directory, '.data/env'), 'MASTER_KEY=x\n');
    expect(readEnvironment(directory, {})).toEqual({});
  });

  it('says which file it cannot read', () => {
    mkdirSync(join(directory, '.env'));
    expect(() => readEnvironment(directory, {})).toThrow(InvalidSettingsError);
    expect(() => readEnvironment(directory, {})).toThrow(`${join(directory, '.env')}: cannot be read (EISDIR)`);
  });
});
