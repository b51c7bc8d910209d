import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cellOf, type K6Summary } from '../../k6/cells.ts';
import { checkLab, readLabFile } from '../../src/lab-file.ts';
import type { Lab } from '../../src/model/lab.ts';
import { createWorkload } from '../../src/model/workload.ts';
import { type Stack, startStack } from '../../src/services/containers/stack.ts';
import { inspect, ourContainers, withDocker } from './containers.ts';

const linear = checkLab(readLabFile('linear'), 'linear');
const lab: Lab = { ...linear, workers: [2], workload: { ...linear.workload, records: 20 } };

withDocker('the stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-stack-'));
  const labPath = join(folder, 'lab.json');
  const summaryPath = join(folder, 'k6-02-workers.json');
  let before: string[];
  let stack: Stack;

  beforeAll(async () => {
    writeFileSync(labPath, JSON.stringify(lab));
    before = await ourContainers();
    stack = await startStack({ mysql: { labPath }, say: () => {} });
  });
  afterAll(async () => {
    await stack?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('says where everything is, and what it is', async () => {
    expect(stack.versions.k6).toMatch(/^[12]\.\d+\.\d+/);
    expect(Object.keys(stack.versions.images).sort()).toEqual(['k6', 'mocks', 'mysql']);
    const profiles = await fetch(`${stack.urls.host.admin}/profiles`, {
      headers: { authorization: `Bearer ${stack.token}` },
    });
    expect(profiles.status).toBe(200);
    expect((await fetch(`${stack.urls.host.admin}/profiles`)).status).toBe(401);
    expect(stack.mysql?.version).toMatch(/^MySQL /);
  });

  test('one cell on k6: records from MySQL, points in the mock of Qdrant', async () => {
    const { exitCode, stderr } = await stack.runK6({
      env: { WORKERS: '2' },
      labPath,
      summaryPath,
    });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const { summary } = JSON.parse(readFileSync(summaryPath, 'utf8')) as { summary: K6Summary };
    const cell = cellOf(
      lab,
      { workers: 2, speed: 1 },
      createWorkload(lab.workload).claims,
      summary,
    );
    expect(cell.completeness).toEqual({
      records: 20,
      pointsExpected: 160,
      pointsStored: 160,
      recordsFailed: 0,
    });
    // 600 ms a record on two workers; the machine may be late, and never early.
    expect(cell.seconds).toBeGreaterThan(5.9);
    if (process.getuid) expect(statSync(summaryPath).uid).toBe(process.getuid());
  });

  test('a script that fails gives its exit code and what it said', async () => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{');
    const { exitCode, stderr } = await stack.runK6({
      env: { WORKERS: '1' },
      labPath: broken,
      summaryPath: join(folder, 'none.json'),
    });
    expect(exitCode).toBeGreaterThan(0);
    expect(stderr).toMatch(/JSON|SyntaxError/);
  });

  test('a file outside of the results is refused before anything starts', async () => {
    const elsewhere = { env: {}, labPath: '/etc/passwd', summaryPath };
    await expect(stack.runK6(elsewhere)).rejects.toThrow('/etc/passwd is not in');
  });

  test('an interrupted cell is killed, and its container goes', async () => {
    const running = await ourContainers();
    const stop = new AbortController();
    const cell = stack.runK6({
      env: { WORKERS: '1' },
      labPath,
      summaryPath: join(folder, 'interrupted.json'),
      signal: stop.signal,
    });
    let mine: string | undefined;
    while (!mine || !(await inspect(mine)).State.Running) {
      mine = (await ourContainers()).find((id) => !running.includes(id));
      await sleep(20);
    }
    const { HostConfig } = await inspect(mine);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    const writable = HostConfig.Binds!.filter((bind) => !bind.endsWith(':ro'));
    expect(writable).toEqual([`${folder}:/results:rw`]);
    stop.abort(new Error('enough'));
    // Killed while it ran, or stopped before it did.
    const outcome = await cell.then(
      ({ exitCode }) => exitCode,
      (error: Error) => error.message,
    );
    expect([137, 'enough']).toContain(outcome);
    expect((await ourContainers()).sort()).toEqual(running.sort());
  });

  test('nothing is left after close', async () => {
    await stack.close();
    expect(await ourContainers()).toEqual(before);
    await expect(fetch(`${stack.urls.host.admin}/healthz`)).rejects.toThrow('fetch failed');
  });
});
