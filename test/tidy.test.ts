import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { labSchema } from '../src/model/lab-schema.ts';
import { labFiles } from '../src/model/labs.ts';
import { tierLadder } from '../src/model/tiers.ts';

const root = new URL('..', import.meta.url).pathname;
const sources = ['src', 'mocks', 'k6', 'test', 'bench']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  )
  .filter((name) => name.endsWith('.ts'));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

test('no source file is about so much that it needs 400 lines', () => {
  const long = sources.filter(
    (name) => !name.endsWith('.test.ts') && read(name).split('\n').length > 400,
  );
  expect(long).toEqual([]);
});

test('the model imports nothing, and reads neither clock nor dice', () => {
  for (const name of sources.filter(
    (path) => path.startsWith('src/model/') && !path.endsWith('.test.ts'),
  )) {
    expect(read(name), name).not.toMatch(/from '(?!\.\/)|Math\.random|Date\.now|performance\./);
  }
});

test('every lab and every tier that can be bought has a k6 script', () => {
  const scripts = readdirSync(join(root, 'k6'));
  for (const name of Object.keys(labFiles)) expect(scripts).toContain(`${name}.ts`);
  for (const tier of tierLadder.filter((name) => name !== 'tier-2'))
    expect(scripts).toContain(`openai-${tier}.ts`);
});

test('the published schema is the one that labs are checked with', () => {
  expect(JSON.parse(read('schema/lab.schema.json'))).toEqual(JSON.parse(JSON.stringify(labSchema)));
});

test('every environment variable and exit code is in the README', () => {
  const readme = read('README.md');
  for (const name of sources.filter((path) => !path.endsWith('.test.ts')))
    for (const [variable] of read(name).matchAll(/KNEEPOINT_[A-Z0-9_]+/g))
      expect(readme, `${variable} of ${name}`).toContain(variable);
  for (const code of [0, 2, 3, 4, 130]) expect(readme).toMatch(new RegExp(`\\| ${code} +\\|`));
});
