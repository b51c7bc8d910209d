import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keepIn } from './kept-program.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'kneepoint-kept-'));
const forEver = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 300) throw new Error('it did not happen within 30 seconds');
    await sleep(100);
  }
}

test('programs run one after another, and what they print is in the log', async () => {
  const folder = newFolder();
  const program = keepIn(folder);
  const script = 'console.log("said"); console.error("complained"); process.exit(3)';
  expect(await program.run([process.execPath, '-e', script]).ended).toBe(3);
  expect(await program.run([join(folder, 'nowhere')]).ended).toBe('ENOENT');
  const { pid, ended } = program.run(forEver);
  process.kill(await pid, 'SIGKILL');
  expect(await ended).toBe('SIGKILL');
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('said\ncomplained\n');
  await program.close();
  expect(existsSync(folder)).toBe(false);
});

test('close ends the program, and the folder goes', async () => {
  const folder = newFolder();
  const program = keepIn(folder);
  const { pid, ended } = program.run(forEver);
  const running = await pid;
  await Promise.all([program.close(), program.close()]);
  expect(lives(running)).toBe(false);
  expect(existsSync(folder)).toBe(false);
  expect(await ended).toBe('the process that keeps it is gone');
  expect(await program.run(forEver).ended).toBe('the process that keeps it is gone');
});

test('the program and what it has started end with their owner, even where that is killed', async () => {
  const folder = newFolder();
  const pidFile = join(folder, '..', `${folder.split('/').at(-1)}.pids`);
  const started = `
    const { spawn } = require('node:child_process');
    const own = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, process.pid + ' ' + own.pid);
    setInterval(() => {}, 1000);`;
  const owner = join(newFolder(), 'owner.mjs');
  writeFileSync(
    owner,
    `import { keepIn } from ${JSON.stringify(join(import.meta.dirname, 'kept-program.ts'))};
     keepIn(${JSON.stringify(folder)}).run(${JSON.stringify([process.execPath, '-e', started])});`,
  );
  const child = spawn(process.execPath, [owner], { stdio: 'inherit' });
  await until(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8').includes(' '));
  const pids = readFileSync(pidFile, 'utf8').split(' ').map(Number);
  expect(pids.map(lives)).toEqual([true, true]);
  child.kill('SIGKILL');
  await until(() => !pids.some(lives) && !existsSync(folder));
});
