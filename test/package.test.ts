import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sweep } from '../src/model/sweep.ts';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const project = mkdtempSync(join(tmpdir(), 'kneepoint-package-'));
const installed = join(project, 'node_modules', 'kneepoint');
const cli = join(installed, 'dist', 'src', 'cli.js');

/** The package as npm would publish it, in a project that has everything else from here: no network. */
beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const tarball = packed.trim().split('\n').at(-1)!;
  mkdirSync(installed, { recursive: true });
  const unpack = ['-xzf', join(project, tarball), '--strip-components=1', '-C', installed];
  execFileSync('tar', unpack);
  for (const name of readdirSync(modules))
    if (!name.startsWith('.') && name !== 'kneepoint')
      symlinkSync(join(modules, name), join(project, 'node_modules', name));
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  // As npm does for a package's bin.
  chmodSync(cli, 0o755);
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

function run(program: string, args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: project,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

test('the command runs by itself and knows its version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(run(cli, ['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
});

test('simulates as the sources do', () => {
  const { status, stdout } = run(cli, ['simulate', 'linear', '--json']);
  expect(status).toBe(0);
  const source = run(process.execPath, [join(root, 'src/cli.ts'), 'simulate', 'linear', '--json']);
  const sweeps = [stdout, source.stdout].map((text) => JSON.parse(text) as Sweep[]);
  expect(sweeps[0]).toEqual(sweeps[1]);
});

test('the k6 scripts find all that they import', () => {
  const missing: string[] = [];
  const follow = (path: string, seen: Set<string>) => {
    if (seen.has(path)) return;
    seen.add(path);
    if (!existsSync(path)) return void missing.push(path);
    for (const [, name] of readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)'/g))
      follow(join(path, '..', name!), seen);
  };
  const scripts = readdirSync(join(installed, 'k6')).filter((name) => name.endsWith('.ts'));
  expect(scripts).toContain('lab.ts');
  const seen = new Set<string>();
  for (const script of scripts) follow(join(installed, 'k6', script), seen);
  expect(missing).toEqual([]);
});

test('no tests and no sources of the mocks are published', () => {
  const names = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => /\.test\.|^mocks|^test/.test(name))).toEqual([]);
});

/** The first block of the documentation, as a reader would paste it. */
const pasted = /```ts\n([\s\S]+?)```/.exec(readFileSync(join(root, 'docs/doors.md'), 'utf8'))![1]!;

test('the unit test of docs/doors.md passes, and its types hold', () => {
  writeFileSync(join(project, 'pasted.test.ts'), pasted);
  const vitest = run(process.execPath, [
    join(modules, 'vitest', 'vitest.mjs'),
    ...['run', '--root', project, '--no-color'],
  ]);
  expect(vitest.stdout + vitest.stderr).toMatch(/Tests +2 passed/);
  expect(vitest.status).toBe(0);
  const compiler = { strict: true, module: 'nodenext', target: 'es2024', noEmit: true };
  const config = { compilerOptions: { ...compiler, skipLibCheck: true }, include: ['*.ts'] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
  // A misspelt option would pass where the types are not found.
  writeFileSync(
    join(project, 'types.ts'),
    "import { openai } from 'kneepoint/msw';\n// @ts-expect-error: no such tier\nopenai({ tier: 'tier-9' });\n",
  );
  expect(run(join(modules, '.bin', 'tsc'), ['-p', project])).toMatchObject({
    status: 0,
    stdout: '',
  });
});
