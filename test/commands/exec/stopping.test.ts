/** However `kneepoint exec` is stopped, nothing of the command is left. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ownCgroupFolder } from '../../../src/engines/process/cgroup.ts';
import { cli } from './execute.ts';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-stopping-'));

/** Processes of a command that sleeps for so many seconds, which nobody else does. */
const sleepers = (seconds: number): string =>
  spawnSync('pgrep', ['-f', `sleep ${seconds}`], { encoding: 'utf8' }).stdout.trim();

const cgroupFolders = (): string[] =>
  [ownCgroupFolder('memory'), ownCgroupFolder('cpuacct'), ownCgroupFolder()].flatMap((own) => {
    try {
      return readdirSync(own!).filter((name) => name.startsWith('kneepoint-'));
    } catch {
      return [];
    }
  });

const until = async (condition: () => boolean, timeoutMs: number): Promise<boolean> => {
  const endMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < endMs) await sleep(50);
  return condition();
};

const stubborn = (seconds: number) => [
  'sh',
  '-c',
  `trap "" TERM INT HUP; setsid sleep ${seconds} & sleep ${seconds}`,
];

type Way = [name: string, code: number | string, stop: (child: ChildProcess) => Promise<void>];

const ways: Way[] = [
  [
    'a closed terminal',
    130,
    async (child) => {
      child.kill('SIGHUP');
    },
  ],
  [
    'a second Ctrl-C',
    130,
    async (child) => {
      child.kill('SIGINT');
      await sleep(800);
      child.kill('SIGINT');
    },
  ],
  [
    'SIGKILL',
    'SIGKILL',
    async (child) => {
      child.kill('SIGKILL');
    },
  ],
];

describe.runIf(process.platform === 'linux').each(ways)('%s', (name, code, stop) => {
  test('leaves no process and no cgroup', async () => {
    const before = cgroupFolders();
    // A number of seconds that tells this test's own from others.
    const seconds = 7_700_000 + process.pid + ways.findIndex(([other]) => other === name);
    const child = spawn(
      process.execPath,
      [
        ...[cli, 'exec', 'linear', '--no-mysql', '--workers', '1', '--out', folder],
        ...['--', ...stubborn(seconds)],
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise((resolve) =>
      child.once('close', (status, signalName) => resolve(status ?? signalName)),
    );
    expect(await until(() => sleepers(seconds).split('\n').length >= 3, 30_000)).toBe(true);
    await stop(child);
    expect(await ended).toBe(code);
    expect(await until(() => sleepers(seconds) === '', 10_000)).toBe(true);
    expect(
      await until(() => cgroupFolders().every((made) => before.includes(made)), 10_000),
      readFileSync('/proc/self/cgroup', 'utf8'),
    ).toBe(true);
  });
});
