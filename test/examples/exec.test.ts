/** `kneepoint exec` as a user runs it: the example pipelines over the matrix, with a real MySQL or MariaDB. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { simulateSweep } from '../../src/analyze/analyze.ts';
import { memoryLimitProblem } from '../../src/engines/process/memory-limit.ts';
import { checkLab, readLabFile } from '../../src/lab-file.ts';
import type { Cell, Sweep } from '../../src/model/sweep.ts';
import { packageRoot } from '../../src/package-root.ts';
import { execute } from '../commands/exec/execute.ts';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-examples-'));
const hasUv = spawnSync('uv', ['--version']).status === 0;
const env = { KNEEPOINT_SKIP_DOCKER: '1' };
const minutes = 60_000;

const python = {
  cwd: join(packageRoot, 'examples/rag_python'),
  command:
    'uv run python -m rag_python.migration.scripts.test_migration_pilot --max-records {records} --workers {workers}',
};
const node = {
  cwd: packageRoot,
  command: 'node examples/node-pipeline/main.ts --max-records {records} --workers {workers}',
};

const exec = (example: typeof node, lab: string, flags = '', more = '') =>
  execute(folder, lab, `${example.command} ${more}`.trim().split(' '), {
    cwd: example.cwd,
    flags: flags.split(' ').filter(Boolean),
    env,
  });

const labFile = (name: string, text: string) => {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, `name: ${name}\n${text}`);
  return path;
};

const predicted = (name: string) =>
  simulateSweep(checkLab(readLabFile(name), name), { kneepoint: '', node: '', labHash: '' });
const limited = ({ openai: { rateLimited } }: Cell) => rateLimited.tpm;
const codes = ({ warnings }: Sweep) => warnings.map(({ code }) => code);
const whole = { records: 100, pointsExpected: 800, pointsStored: 800, recordsFailed: 0 };

const servers = inject('mysqlBinaries');

describe.skipIf(servers.length === 0)('exec', () => {
  beforeAll(() => {
    if (hasUv) execFileSync('uv', ['sync', '--quiet', '--locked'], { cwd: python.cwd });
  });

  test.skipIf(!hasUv)(
    'Python on Tier 1: 429s, tokens per minute bind where the simulator says within 20 %, all is there',
    { timeout: 10 * minutes },
    async () => {
      const { status, sweep, stderr } = await exec(python, 'openai-tier-1');
      expect(status, stderr).toBe(0);
      expect(sweep.verdict.bottleneck).toBe('openai-tpm');
      expect(sweep.verdict.recommendedWorkers).toBe(2);
      const { knee } = predicted('openai-tier-1').verdict;
      expect(Math.abs(sweep.verdict.knee! / knee! - 1)).toBeLessThan(0.2);
      expect(sweep.cells.map(({ workers }) => workers)).toEqual([1, 2, 5, 10, 20]);
      for (const cell of sweep.cells) {
        expect(cell.completeness, `${cell.workers} workers`).toEqual(whole);
        expect(cell.command!.waits.early).toBe(0);
        if (cell.workers >= 5) expect(limited(cell)).toBeGreaterThan(10);
      }
      expect(sweep.provenance.mysql).toMatch(/^(MySQL 8|MariaDB 1)/);
    },
  );

  test('Node on Tier 1: the same, within 10 %', { timeout: 10 * minutes }, async () => {
    const { status, sweep, stderr } = await exec(node, 'openai-tier-1', '--workers 1,5,10');
    expect(status, stderr).toBe(0);
    expect(sweep.verdict.bottleneck).toBe('openai-tpm');
    const { knee } = predicted('openai-tier-1').verdict;
    expect(Math.abs(sweep.verdict.knee! / knee! - 1)).toBeLessThan(0.1);
    for (const cell of sweep.cells) expect(cell.completeness).toEqual(whole);
  });

  test('Qdrant’s free plan: timeouts above five workers only, and it binds', {
    timeout: 10 * minutes,
  }, async () => {
    const { sweep } = await exec(node, 'qdrant-free', '--workers 2,5,10,20');
    expect(sweep.cells.map(({ qdrant }) => qdrant.timeouts > 0)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(sweep.verdict.bottleneck).toBe('qdrant');
    expect(sweep.verdict.recommendedWorkers).toBeLessThanOrEqual(5);
  });

  test('claims of 50 records are two work units', { timeout: 5 * minutes }, async () => {
    const flags = '--workers 1,2,5,10';
    const { sweep } = await exec(node, 'two-batches', flags, '--claim-size {claim}');
    expect(sweep.verdict).toMatchObject({ bottleneck: 'work-units', recommendedWorkers: 2 });
    for (const cell of sweep.cells) expect(cell.completeness).toEqual(whole);
  });

  test.skipIf(!hasUv)(
    'memory that is really held is measured within 10 %, and binds before it runs out',
    { timeout: 10 * minutes },
    async () => {
      // 500 MiB more than each Python worker has of its own, which a run without them shows.
      const flags = '--workers 1,2,4,20 --records 24';
      const bare = await exec(python, 'memory-8gb', '--workers 1,2,4 --records 24');
      const { sweep } = await exec(python, 'memory-8gb', flags, '--resident-mb 500');
      const perWorkerMb = ([one, , four]: Cell[]) =>
        (four!.memory.megabytes - one!.memory.megabytes) / 3;
      const held = perWorkerMb(sweep.cells) - perWorkerMb(bare.sweep.cells);
      expect(Math.abs(held / 500 - 1)).toBeLessThan(0.1);
      expect(sweep.cells.map(({ feasible }) => feasible)).toEqual([true, true, true, false]);
      expect(sweep.verdict.bottleneck).toBe('memory');
      // (80 % of 8 GiB - the program itself) / about 530 MiB
      expect(sweep.verdict.recommendedWorkers).toBeGreaterThanOrEqual(11);
      expect(sweep.verdict.recommendedWorkers).toBeLessThanOrEqual(12);
    },
  );

  test('a limit of memory is met for real', { timeout: 5 * minutes }, async (context) => {
    const problem = await memoryLimitProblem();
    if (problem) context.skip(`no cgroup that may be divided: ${problem}`);
    const lab = labFile(
      'small',
      'workload: { records: 20 }\nworker: { memoryMb: 100 }\nopenai: { tier: unlimited }\n',
    );
    const flags = '--workers 1,6 --memory-limit 512m';
    const { sweep } = await exec(node, lab, flags, '--resident-mb 100');
    const [one, six] = sweep.cells;
    expect(one!.command!.memory.limitMb).toBe(512);
    expect(one!.completeness.recordsFailed).toBe(0);
    expect(six).toMatchObject({ feasible: false, command: { usable: true } });
    expect(codes(sweep)).toContain('out-of-memory');
    expect(sweep.verdict.bottleneck).toBe('memory');
    expect(sweep.verdict.recommendedWorkers).toBeLessThan(6);
  });

  test('a server that dies marks the cell, and the next one has it again', {
    timeout: 5 * minutes,
  }, async () => {
    let killed = false;
    const { status, sweep, stderr } = await execute(folder, 'linear', node.command.split(' '), {
      flags: ['--workers', '4,5', '--records', '40'],
      env,
      during(said) {
        if (killed || !/on this machine\n/.test(said)) return;
        killed = true;
        const server = /by (mysqld|mariadbd) on this machine/.exec(said)![1]!;
        // Once its workers are at it.
        setTimeout(() => spawnSync('pkill', ['-9', '-f', `${server}.*kneepoint`]), 4_000);
      },
    });
    expect(status, stderr).toBe(3);
    const [lost, next] = sweep.cells;
    expect(lost!.command!.problem).toMatch(/stopped answering while the command ran/);
    expect(lost!.command!.usable).toBe(false);
    expect(next!.completeness.recordsFailed).toBe(0);
  });
});
