import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { labs } from '../../src/model/labs.ts';
import { findK6 } from '../../src/services/k6-binary.ts';
import { openMocks } from '../../src/services/open-mocks.ts';

const root = new URL('../..', import.meta.url).pathname;

function kneepoint(args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

test('upgrade tells the ladder of Tier 1 where no lab is named, and exits with 0', () => {
  const { status, stdout, stderr } = kneepoint(['upgrade']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^tier-2 .* gains nothing/m);
  expect(stdout).toMatch(/^tier-3 .* 12\.5 /m);
  expect(stdout).toContain('MAX_WORKERS=12');
});

test('--json is one document with rows, path, blocks and strategies', () => {
  const { status, stdout } = kneepoint([
    'upgrade',
    'openai-tier-1',
    '--json',
    '--target-records',
    '100000000',
    '--deadline',
    '2000h',
    '--strategies',
  ]);
  expect(status).toBe(0);
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({
    schema: 'kneepoint.upgrade/1',
    targetRecords: 1e8,
    best: 'tier-3',
    path: { deadlineSeconds: 7_200_000, records: 1e8 },
    strategies: { seeds: 10, best: 'shared limiter at 100 %' },
  });
  expect(document.env).toHaveLength(3);
  const three = document.rows.find(
    (row: { step?: { name: string } }) => row.step?.name === 'tier-3',
  );
  expect(three.atTarget).toMatchObject({ by: 'extrapolation', tokensUsd: 8_000 });
  expect(three.step.price).toMatchObject({ paidUsd: 100, waitingDays: 7 });
});

test.each([
  [['--target-records', '0'], /--target-records: must be a whole number/],
  [['--target-records', 'many'], /--target-records: must be a whole number/],
  [['--deadline', 'soon'], /--deadline: must be a time such as/],
  [['--deadline', '1h1h'], /--deadline: must be a time such as 90s, 1h30m or 2d/],
  [['no-such-lab'], /no built-in lab/],
  [
    ['linear', '--plan', 'unlimited', '--workers', '1', '--records', '1', '--confirm'],
    /--confirm: no step/,
  ],
])('upgrade %j is refused in one line with exit code 2', (args, message) => {
  const { status, stderr } = kneepoint(['upgrade', ...args]);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('a lab of which nobody can tell what binds exits with 3', () => {
  const one = ['--workers', '1', '--records', '1'];
  const { status, stdout } = kneepoint(['upgrade', 'linear', ...one]);
  expect(status).toBe(3);
  expect(stdout).toContain("What binds can't be told");
  expect(kneepoint(['upgrade', 'linear', ...one, '--json']).status).toBe(3);
});

test('tiers --stale exits with 0 where nothing is, with 1 where something is, with 2 without a day', () => {
  expect(kneepoint(['tiers', '--stale', '--as-of', '2022-01-01'])).toMatchObject({
    status: 0,
    stdout: 'No figure is older than 180 days on 2022-01-01.\n',
  });
  const { status, stdout } = kneepoint(['tiers', '--stale', '--as-of', '2026-11-24']);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^Qdrant standard-2: price +2023 +1423 days$/m);
  expect(kneepoint(['tiers', '--stale', '--as-of', 'now']).status).toBe(2);
  expect(kneepoint(['tiers', '--as-of', '2026-11-24']).status).toBe(2);
});

test('--confirm runs before and after on k6 and compares both with what was predicted', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-confirm-'));
  try {
    const args = ['upgrade', 'openai-tier-1', '--confirm', '--json', '--out', folder];
    const { status, stdout } = kneepoint([...args, '--records', '40', '--workers', '1,4']);
    // On a machine that others keep busy k6 may be off by more than 5 %: then it says so, with 1.
    const { confirmation } = JSON.parse(stdout);
    expect(status).toBe(confirmation.problem ? 3 : confirmation.agrees ? 0 : 1);
    expect(confirmation).toMatchObject({
      step: 'tier-3',
      before: { workers: 2 },
      after: { workers: 4 },
    });
    expect(confirmation.predictedGain).toBeCloseTo(2, 0);
    expect(confirmation.gain).toBeGreaterThan(1.2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('k6/upgrade.ts shows an upgrade in mid-run as a step in the throughput', async () => {
  const k6 = await findK6({ env: process.env, root, say: () => {} });
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(labs.linear!, 1, '127.0.0.1', ports);
  try {
    const env: Record<string, string> = {
      KNEEPOINT_OPENAI_URL: mocks.openaiUrl,
      KNEEPOINT_QDRANT_URL: mocks.qdrantUrl,
      KNEEPOINT_RECORDS_URL: mocks.recordsUrl,
      KNEEPOINT_ADMIN_URL: mocks.adminUrl,
      KNEEPOINT_ADMIN_TOKEN: mocks.token,
      SPEED: '20',
      // Far enough over Tier 1 for a step that no busy machine hides.
      WORKERS: '8',
    };
    const child = spawn(k6.path, ['run', '--quiet', 'k6/upgrade.ts'], {
      cwd: root,
      env: { ...process.env, ...env },
    });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (part) => {
      out += part;
    });
    child.stderr.on('data', (part) => {
      errors += part;
    });
    const [code] = await once(child, 'close');
    expect({ code, errors }).toMatchObject({ code: 0 });
    const rate = (name: string) =>
      Number(new RegExp(`${name} .* ([\\d.]+) records/s`).exec(out)?.[1]);
    // Tier 1 carries 4.17 records a second, eight workers 13.3.
    expect(rate('before')).toBeLessThan(4.17 * 1.1);
    expect(rate('after')).toBeGreaterThan(1.5 * rate('before'));
    expect(out).toContain('predicted 4.17');
  } finally {
    await mocks.close();
  }
});
