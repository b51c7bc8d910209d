import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

type Step = { run?: string; uses?: string; shell?: string; env?: Record<string, string> };
const action = parse(read('action.yml')) as {
  inputs: Record<string, { default?: string; required?: boolean }>;
  runs: { using: string; steps: Step[] };
};
/** The YAML of the documentation: a lab, a workflow, and the action as a step. */
const documented = [...read('docs/ci.md').matchAll(/```yaml\n([\s\S]+?)```/g)].map(
  ([, text]) => parse(text!) as unknown,
);

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-action-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bin = join(folder, 'bin');
mkdirSync(bin);
/** In the place of npm's: runs the sources, and leaves behind what it was asked for. */
writeFileSync(
  join(bin, 'npx'),
  `#!/usr/bin/env bash\nprintf '%s\\n' "$@" > "$ASKED"\nshift 2\nexec "$NODE" "$CLI" "$@"\n`,
);
chmodSync(join(bin, 'npx'), 0o755);

/** Runs the action's shell steps as a runner does, with so many inputs given. */
function runAction(given: Record<string, string>) {
  const files = {
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_STEP_SUMMARY: join(folder, 'summary.md'),
    ASKED: join(folder, 'asked'),
  };
  for (const path of Object.values(files)) writeFileSync(path, '');
  const values: Record<string, string> = { 'github.action_path': root };
  for (const [name, { default: usual = '' }] of Object.entries(action.inputs))
    values[`inputs.${name}`] = given[name] ?? usual;
  const [step] = action.runs.steps as [Step];
  const env = Object.fromEntries(
    Object.entries(step.env!).map(([name, text]) => [
      name,
      text.replace(/\$\{\{ ([\w.]+) \}\}/g, (_, key: string) => values[key]!),
    ]),
  );
  const result = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      ...process.env,
      ...env,
      ...files,
      GITHUB_ACTIONS: 'true',
      GITHUB_WORKSPACE: folder,
      NODE: process.execPath,
      CLI: join(root, 'src/cli.ts'),
      PATH: `${bin}${delimiter}${join(process.execPath, '..')}${delimiter}${process.env.PATH}`,
    },
  });
  const [output, summary, asked] = Object.values(files).map((path) => readFileSync(path, 'utf8'));
  return { ...result, output, summary, asked: asked!.trimEnd().split('\n') };
}

const lab = (name: string, maxSeconds: number) =>
  writeFileSync(
    join(folder, `${name}.yaml`),
    `name: ${name}\nexpect: { workers: 5, maxSeconds: ${maxSeconds} }\n`,
  );
lab('good', 12.5);
lab('bad', 11);

test('the action passes a lab that holds, by the version it has itself', () => {
  const { status, stdout, output, asked } = runAction({ lab: 'good.yaml', engine: 'simulate' });
  expect(status).toBe(0);
  expect(stdout).toContain('1 check passed.');
  expect(output).toBe('junit=kneepoint-junit.xml\n');
  expect(asked.slice(0, 3)).toEqual(['--yes', `kneepoint@${version}`, 'check']);
  expect(readFileSync(join(folder, 'kneepoint-junit.xml'), 'utf8')).toContain('tests="1"');
});

test('of several labs one that does not hold fails the step, with summary and annotation', () => {
  const { status, stderr, summary } = runAction({
    lab: 'good.yaml\n bad.yaml',
    engine: 'simulate',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^::error file=bad\.yaml,title=.*::expected at most 11 s, saw 12 s$/m);
  expect(summary).toMatch(/### good \(simulate\)[\s\S]+### bad \(simulate\)/);
});

test('baseline, repeats and version are passed on', () => {
  const { status, stderr, asked } = runAction({
    ...{ lab: 'good.yaml', engine: 'simulate', version: '9.9.9' },
    ...{ baseline: 'no such.json', repeats: '2' },
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/--baseline: there is no no such\.json yet/);
  expect(asked).toContain('kneepoint@9.9.9');
  expect(asked.join(' ')).toContain('--baseline no such.json --repeats 2 -- good.yaml');
});

test('an input is never run as a script, nor taken for an option', () => {
  const evil = '$(touch pwned) `touch pwned`; touch pwned';
  expect(runAction({ lab: evil, engine: evil, junit: 'a.xml\nevil=1' }).status).toBe(2);
  const { stderr, output } = runAction({ lab: '--update-baseline', junit: 'a.xml\nevil=1' });
  expect(stderr).toMatch(/no built-in lab "--update-baseline"/);
  expect(output).toBe('junit=a.xmlevil=1\n');
  expect(spawnSync('ls', [folder], { encoding: 'utf8' }).stdout).not.toContain('pwned');
  for (const { run = '' } of action.runs.steps) expect(run).not.toContain('${{');
});

test('every action that is used is pinned by commit, and permissions are the least', () => {
  const uses: string[] = [];
  const collect = (value: unknown) => {
    if (value === null || typeof value !== 'object') return;
    for (const [key, part] of Object.entries(value))
      if (key === 'uses') uses.push(String(part));
      else collect(part);
  };
  collect(action);
  const [, workflow, step] = documented;
  collect(workflow);
  expect(uses.length).toBeGreaterThan(3);
  for (const used of uses) expect(used).toMatch(/^actions\/[\w-]+@[0-9a-f]{40}$/);
  expect(workflow).toMatchObject({ permissions: { contents: 'read' } });
  expect(Object.keys((workflow as { permissions: object }).permissions)).toEqual(['contents']);
  const inputs = (step as [{ with: Record<string, string> }])[0].with;
  for (const name of Object.keys(inputs)) expect(Object.keys(action.inputs)).toContain(name);
});

test('the documented lab holds, and the workflow runs this version', () => {
  writeFileSync(join(folder, 'ingest.yaml'), JSON.stringify(documented[0]));
  const { status, stdout } = runAction({ lab: 'ingest.yaml', engine: 'simulate' });
  expect(stdout).toContain('checks passed');
  expect(status).toBe(0);
  expect(JSON.stringify(documented[1])).toContain(`npx --yes kneepoint@${version} check`);
});
