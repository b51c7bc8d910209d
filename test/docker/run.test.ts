import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Sweep } from '../../src/model/sweep.ts';
import { packageRoot } from '../../src/package-root.ts';
import { withDocker } from './containers.ts';

withDocker('kneepoint run --docker', () => {
  test('sweeps a lab with MySQL, mocks and k6 in containers', async () => {
    const out = mkdtempSync(join(tmpdir(), 'kneepoint-run-docker-'));
    const child = spawn(
      process.execPath,
      [
        join(packageRoot, 'src/cli.ts'),
        ...['run', 'linear', '--docker', '--workers', '1,4', '--records', '16'],
        ...['--json', '--out', out],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text: Buffer) => {
      stdout += text;
    });
    child.stderr.on('data', (text: Buffer) => {
      stderr += text;
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(status, stderr).toBe(0);
    const sweep = JSON.parse(stdout) as Sweep;
    expect(sweep).toMatchObject({ engine: 'k6', valid: true });
    expect(sweep.provenance.mysql).toMatch(/^MySQL 8.* in a container$/);
    for (const { completeness } of sweep.cells)
      expect(completeness).toMatchObject({ pointsStored: 128, recordsFailed: 0 });
    expect(stderr).toContain('linear × 4: ');
  });
});
