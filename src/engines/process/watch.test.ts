import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../usage-error.ts';
import { linuxProcess } from './list-processes.ts';
import { node, start, temporaryFolder, until } from './start-watched.ts';

// Without a cgroup, daemons are found by their environment alone, as on most people's machines.
describe.runIf(process.platform === 'linux').each([true, false])('cgroup: %s', (useCgroup) => {
  test('a command that ends is told as it ended', async () => {
    const folder = temporaryFolder();
    const command = ['sh', '-c', 'pwd; echo "$GREETING $0 $1" >&2; exit 7', 'a b', '$HOME'];
    const { watched, log } = start(command, {
      useCgroup,
      cwd: folder,
      env: { PATH: process.env.PATH!, GREETING: 'hello' },
    });
    expect(await watched).toMatchObject({
      exitCode: 7,
      signalName: null,
      timedOut: false,
      interrupted: false,
      outOfMemory: false,
      leftBehind: 0,
      lastLines: [folder, 'hello a b $HOME'],
    });
    expect(log()).toBe(`${folder}\nhello a b $HOME\n`);
  });

  test('a daemon that has left its parents, its session and its group is found, counted and ended', async () => {
    const script = 'setsid sh -c "setsid sleep 1000 & setsid sleep 1000 &" & wait; echo left';
    const { watched, carriers } = start(['sh', '-c', script], { useCgroup });
    const { exitCode, leftBehind, lastLines } = await watched;
    expect({ exitCode, leftBehind, lastLines }).toEqual({
      exitCode: 0,
      leftBehind: 2,
      lastLines: ['left'],
    });
    expect(carriers()).toEqual([]);
  });

  test('a daemon without our environment is known by its parents', async () => {
    const script =
      'env -i /bin/sh -c "exec setsid sleep 1000" & echo $!; while :; do sleep 0.1; done';
    let processes = 0;
    const { watched, log, stop } = start(['sh', '-c', script], {
      useCgroup,
      onSample: (sample) => {
        processes = Math.max(processes, sample.processes);
      },
    });
    await until(() => processes >= 2 && /^\d+\n/.test(log()));
    const pid = Number(log());
    stop.abort();
    await watched;
    // Whoever takes orphans may not have collected it yet.
    expect(linuxProcess(pid)?.zombie ?? true).toBe(true);
  });

  test('processes that are forked while they are ended do not escape', async () => {
    const script = `
      process.on('SIGTERM', () => {});
      const { spawn } = require('node:child_process');
      setInterval(() => spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }), 3);
    `;
    let processes = 0;
    const { watched, stop, carriers } = start(node(script), {
      useCgroup,
      onSample: (sample) => {
        processes = sample.processes;
      },
    });
    await until(() => processes > 20);
    stop.abort();
    expect(await watched).toMatchObject({ interrupted: true, signalName: 'SIGKILL' });
    expect(carriers()).toEqual([]);
  });

  test('a process that does nothing but start its successor in a new session is caught', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'successor');
    writeFileSync(path, '#!/bin/sh\ntrap "" TERM\necho x >>"$0.log"\nsetsid "$0" &\n');
    chmodSync(path, 0o700);
    const { watched, carriers } = start([path], { useCgroup });
    const { exitCode, leftBehind } = await watched;
    expect(exitCode).toBe(0);
    expect(leftBehind).toBeGreaterThanOrEqual(1);
    const generations = () => readFileSync(`${path}.log`, 'utf8').length;
    const before = generations();
    expect(before).toBeGreaterThan(1);
    await sleep(500);
    expect(generations()).toBe(before);
    expect(carriers()).toEqual([]);
  });

  test('a command that takes too long is asked to end, and may say good-bye', async () => {
    const script = 'trap "echo good-bye; exit 5" TERM; echo ready; while :; do sleep 0.1; done';
    const { watched } = start(['sh', '-c', script], { useCgroup, timeoutMs: 3_000 });
    expect(await watched).toMatchObject({
      exitCode: 5,
      timedOut: true,
      interrupted: false,
      // Between them a shell may say that its `sleep` was terminated.
      lastLines: expect.arrayContaining(['ready', 'good-bye']),
    });
  });

  test('a command that ignores being asked is killed', async () => {
    const script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done';
    const { watched, stop, log, carriers } = start(['sh', '-c', script], { useCgroup });
    await until(() => log() === 'ready\n');
    stop.abort();
    const result = await watched;
    expect(result).toMatchObject({
      exitCode: null,
      signalName: 'SIGKILL',
      interrupted: true,
      timedOut: false,
    });
    expect(result.memory.samples.length).toBeGreaterThan(0);
    expect(carriers()).toEqual([]);
  });

  test.each([
    ['no-such-command-at-all', 'no such command'],
    ['/no/such/command', 'no such command'],
    [tmpdir(), 'may not be executed'],
  ])('%s can not be started: %s', async (program, reason) => {
    const { watched } = start([program, 'x'], { useCgroup });
    await expect(watched).rejects.toThrow(UsageError);
    await expect(watched).rejects.toThrow(`"${program}": ${reason}`);
  });

  test('a file that is not executable is said to be so', async () => {
    const path = join(temporaryFolder(), 'text');
    writeFileSync(path, 'text', { mode: 0o600 });
    const { watched } = start([path], { useCgroup });
    await expect(watched).rejects.toThrow(`"${path}": may not be executed`);
  });

  test('a command may itself exit with the codes of a shell that finds nothing', async () => {
    const { watched } = start(['sh', '-c', 'echo "sh: 1: x: not found"; exit 127'], { useCgroup });
    expect(await watched).toMatchObject({ exitCode: 127 });
  });
});

test('a signal that is aborted already starts nothing', async () => {
  const { watched, log } = start(['sh', '-c', 'echo started'], { signal: AbortSignal.abort() });
  expect(await watched).toMatchObject({ interrupted: true, exitCode: null, seconds: 0 });
  expect(log()).toBe('');
});

test('a folder that is missing is not reported as a missing command', async () => {
  const { watched } = start(['true'], { cwd: '/no/such/folder' });
  await expect(watched).rejects.toThrow('"/no/such/folder": no such folder');
});
