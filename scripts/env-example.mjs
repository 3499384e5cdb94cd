// Checks that .env.example says what the settings class says; with --write, writes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './lib/install.mjs';

/** The class of all settings, and the classes it extends. */
const SOURCES = ['settings.ts', 'people-settings.ts'].map((name) => join(ROOT, 'src/platform/config', name));
const TARGET = join(ROOT, '.env.example');
const HEADER = [
  '# Every setting of core-nest, with its default; an empty value counts as absent.',
  '# Made from src/platform/config by: npm run env-example -- --write',
];

/** What a reader should put in the place of, where the class has no default to show. */
const SAMPLES = { DATABASE_URL: 'postgres://core_nest:password@127.0.0.1:5432/core_nest' };

const expected = render();
if (process.argv.includes('--write')) writeFileSync(TARGET, expected);
else if (readFileSync(TARGET, 'utf8') !== expected) {
  console.error('.env.example differs from src/platform/config: run "npm run env-example -- --write".');
  process.exitCode = 1;
}

function render() {
  const classes = SOURCES.map((file) => {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    return source.statements.find((node) => ts.isClassDeclaration(node));
  });
  const properties = classes.flatMap(({ members }) => members.filter(ts.isPropertyDeclaration));
  const entries = properties.map((property) => {
    const name = property.name.text;
    const comment = ts.getTextOfJSDocComment(ts.getJSDocCommentsAndTags(property)[0]?.comment) ?? '';
    const value = defaultOf(property.initializer) ?? SAMPLES[name] ?? '';
    const lines = comment
      .replaceAll('`', '')
      .split('\n')
      .map((line) => `# ${line.trim()}`);
    return [...lines, `${name}=${value}`].join('\n');
  });
  return `${[HEADER.join('\n'), ...entries].join('\n\n')}\n`;
}

function defaultOf(initializer) {
  if (!initializer) return undefined;
  return ts.isNumericLiteral(initializer) ? initializer.getText().replaceAll('_', '') : initializer.text;
}
