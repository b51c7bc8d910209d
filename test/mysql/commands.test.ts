import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Sweep } from '../../src/model/sweep.ts';
import { withConnection } from '../../src/services/mysql/connect.ts';
import { openPlace, type Place } from './command.ts';
import { mysqldIn, processesOf, until } from './own-folders.ts';

const smallPool = `
name: small-pool
workers: [1, 20]
worker: { readMs: 100, computeMs: 20 }
openai: { latency: { fixed: 60 } }
qdrant: { latency: { fixed: 20 } }
workload: { records: 60 }
mysql: { poolSize: 2 }
`;
const twoCells = `
name: two-cells
workers: [5, 10]
workload: { records: 100 }
`;

describe.each(inject('mysqlBinaries'))('$version', (binary) => {
  let place: Place;
  beforeAll(() => {
    place = openPlace(binary);
  });
  afterAll(() => place.close());
  const labFile = (name: string, text: string): string => {
    const path = join(place.folder, `${name}.yaml`);
    writeFileSync(path, text);
    return path;
  };
  const nothingLeft = () =>
    until(() => place.servers().length === 0 && processesOf(place.folder).length === 0);

  test('a pool that is too small is what k6 finds, as the simulator says', async () => {
    const lab = labFile('small-pool', smallPool);
    const args = [lab, '--json', '--out', join(place.folder, 'out')];
    const predicted = await place.kneepoint(['simulate', ...args]).ended;
    const measured = await place.kneepoint(['run', ...args, '--mysql']).ended;
    expect(measured.stderr).toContain(`starting ${binary.version} by mysqld on this machine`);
    expect(measured.code).toBe(0);
    const [simulated, sweep] = [predicted, measured].map(
      ({ stdout }) => JSON.parse(stdout) as Sweep,
    ) as [Sweep, Sweep];
    expect(simulated.verdict.bottleneck).toBe('mysql-pool');
    expect(sweep.verdict).toMatchObject({
      bottleneck: 'mysql-pool',
      recommendedWorkers: simulated.verdict.recommendedWorkers,
    });
    expect(sweep.provenance.mysql).toBe(`${binary.version} on this machine`);
    expect(sweep.lab.speed).toBe(1);
    for (const { completeness } of sweep.cells)
      expect(completeness).toEqual({
        records: 60,
        pointsExpected: 480,
        pointsStored: 480,
        recordsFailed: 0,
      });
    expect(sweep.cells[1]!.mysql.poolWaitMs.p50).toBeGreaterThan(100);
    await nothingLeft();
  });

  test('a server that is killed marks its cell, and the next one has it again', async () => {
    const lab = labFile('two-cells', twoCells);
    const out = join(place.folder, 'out');
    const running = place.kneepoint(['run', lab, '--mysql', '--json', '--out', out]);
    await until(() => running.said().includes('gives the records'));
    const { pid, url } = mysqldIn(place.servers()[0]!);
    // Reads of whoever asks are counted, so these are those of the cell once they are many.
    const reads = async () => {
      const [rows] = await withConnection(url, (connection) =>
        connection.query("SHOW GLOBAL STATUS LIKE 'Com_select'"),
      );
      return Number((rows as { Value: string }[])[0]!.Value);
    };
    const before = await reads();
    await until(async () => (await reads()) > before + 20);
    process.kill(pid, 'SIGKILL');
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(3);
    const sweep = JSON.parse(stdout) as Sweep;
    expect(sweep.valid).toBe(false);
    expect(sweep.warnings.map(({ code: name }) => name)).toEqual(['mysql-lost']);
    expect(sweep.warnings[0]!.message).toMatch(
      /The database failed at 5 workers \(\d+ reads failed\): MySQL: .*Nothing of these cells/,
    );
    expect(stderr).toMatch(/two-cells × 5: \d+ reads failed, the first with MySQL: /);
    expect(stderr).toContain(`${binary.version} answers again, for two-cells × 10`);
    const [lost, recovered] = sweep.cells;
    expect(lost!.completeness.recordsFailed).toBeGreaterThan(0);
    expect(recovered!.completeness).toMatchObject({ recordsFailed: 0, pointsStored: 800 });
    await nothingLeft();
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    '%s leaves nothing behind',
    async (signal) => {
      const lab = labFile('two-cells', twoCells);
      const out = join(place.folder, 'out');
      const running = place.kneepoint(['run', lab, '--mysql', '--out', out]);
      await until(() => running.said().includes('gives the records'));
      expect(place.servers()).toHaveLength(1);
      const { pid } = mysqldIn(place.servers()[0]!);
      running.process.kill(signal);
      const { code, stderr } = await running.ended;
      if (signal !== 'SIGKILL') {
        expect(code).toBe(130);
        expect(stderr).toContain('interrupted');
      }
      await nothingLeft();
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    },
  );

  test('SIGINT while the server is being set up leaves nothing behind', async () => {
    const running = place.kneepoint([
      'run',
      'linear',
      '--mysql',
      '--out',
      join(place.folder, 'out'),
    ]);
    await until(() => running.said().includes('starting'));
    running.process.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stderr).not.toContain('Error');
    await nothingLeft();
  });

  test('mocks hand out a MySQL that is filled, and take it with them', async () => {
    const readyFile = join(place.folder, 'ready.json');
    const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [
      `--${name}-port`,
      '0',
    ]);
    const args = ['mocks', ...ports, '--mysql', '--records', '30', '--ready-file', readyFile];
    const running = place.kneepoint(args);
    await until(() => existsSync(readyFile));
    const ready = JSON.parse(readFileSync(readyFile, 'utf8')) as {
      mysql: { url: string };
      records: { url: string };
    };
    expect(statSync(readyFile).mode & 0o777).toBe(0o600);
    const exported = Object.fromEntries(
      [...running.said().matchAll(/^export (MYSQL_\w+)=(.*)$/gm)].map(([, name, value]) => [
        name,
        value,
      ]),
    );
    const { port, password } = new URL(ready.mysql.url);
    expect(exported).toEqual({
      MYSQL_URL: ready.mysql.url,
      MYSQL_HOST: '127.0.0.1',
      MYSQL_PORT: port,
      MYSQL_USER: 'kneepoint',
      MYSQL_PASSWORD: password,
      MYSQL_DATABASE: 'kneepoint',
    });
    const [rows] = await withConnection(ready.mysql.url, (connection) =>
      connection.query('SELECT COUNT(*) AS count FROM records'),
    );
    expect(rows).toEqual([{ count: 30 }]);
    // The records service gives what the table has, even where that is not what it would generate.
    await withConnection(ready.mysql.url, (connection) =>
      connection.query("UPDATE records SET title = 'changed' WHERE id = 3"),
    );
    const claim = await fetch(`${ready.records.url}/claims/2`, {
      headers: { authorization: 'Bearer kneepoint-lab', 'x-kneepoint-late-ms': '0' },
    });
    expect(await claim.json()).toMatchObject({
      records: [{ id: 3, title: 'changed' }],
      poolWaitMs: expect.any(Number),
      computeMs: 80,
    });
    expect(Number(claim.headers.get('x-kneepoint-delay-ms'))).toBeGreaterThanOrEqual(20);
    running.process.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
    await nothingLeft();
  });

  test('seed fills a given database and goes on after Ctrl-C', async () => {
    const readyFile = join(place.folder, 'ready-to-seed.json');
    const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [
      `--${name}-port`,
      '0',
    ]);
    const server = place.kneepoint(['mocks', ...ports, '--mysql', '--ready-file', readyFile]);
    try {
      await until(() => existsSync(readyFile));
      const { url } = (JSON.parse(readFileSync(readyFile, 'utf8')) as { mysql: { url: string } })
        .mysql;
      const count = async () => {
        const [rows] = await withConnection(url, (connection) =>
          connection.query('SELECT COUNT(*) AS count FROM records'),
        );
        return (rows as { count: number }[])[0]!.count;
      };
      const args = ['seed', '--mysql-url', url, '--records', '12000'];
      const first = place.kneepoint(args);
      // The mocks have 1,000 rows already; more can only come from the command.
      await until(async () => (await count()) > 1_000);
      first.process.kill('SIGINT');
      const interrupted = await first.ended;
      expect(interrupted.code).toBe(130);
      expect(interrupted.stderr).toContain('the same command goes on where this one stopped');
      expect(await count()).toBeLessThan(12_000);
      const second = await place.kneepoint(args).ended;
      expect(second.code).toBe(0);
      expect(second.stderr).toMatch(/\d+ records added in/);
      expect(second.stderr).not.toContain(new URL(url).password);
      expect(await count()).toBe(12_000);
      const reset = await place.kneepoint(['seed', '--reset'], { MYSQL_URL: url }).ended;
      expect(reset).toMatchObject({ code: 0 });
    } finally {
      server.process.kill('SIGTERM');
      await server.ended;
    }
    await nothingLeft();
  });
});
