import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type Cgroup,
  cgroupPids,
  cgroupUse,
  joinFiles,
  makeCgroup,
  ownCgroupFolder,
  removeCgroup,
} from './cgroup.ts';
import { temporaryFolder } from './start-watched.ts';

/** A folder with files as the kernel writes them. */
function folderOf(files: Record<string, string>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test('the figures of version 2 are read', () => {
  const folder = folderOf({
    'cgroup.procs': '12\n345\n',
    'cpu.stat': 'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n',
    'memory.peak': '209715200\n',
    'memory.events': 'low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n',
  });
  const cgroup: Cgroup = { version: 2, memoryFolder: folder, cpuFolder: folder };
  expect(cgroupUse(cgroup)).toEqual({ cpuSeconds: 2.5, peakMb: 200, limitHit: true });
  expect(cgroupPids(cgroup)).toEqual([12, 345]);
  expect(joinFiles(cgroup)).toEqual([join(folder, 'cgroup.procs')]);
});

test('the figures of version 1 are read', () => {
  const memoryFolder = folderOf({
    'memory.max_usage_in_bytes': '104857600\n',
    'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n',
  });
  const cpuFolder = folderOf({ 'cpuacct.usage': '1500000000\n' });
  expect(cgroupUse({ version: 1, memoryFolder, cpuFolder })).toEqual({
    cpuSeconds: 1.5,
    peakMb: 100,
    limitHit: false,
  });
});

test('figures that are not there are left out', () => {
  const folder = folderOf({ 'cpu.stat': 'usage_usec 0\n' });
  expect(cgroupUse({ version: 2, cpuFolder: folder })).toEqual({ cpuSeconds: 0, limitHit: false });
  expect(cgroupUse({ version: 2, cpuFolder: '/gone', memoryFolder: '/gone' })).toEqual({
    limitHit: false,
  });
});

test.runIf(process.platform === 'linux')('a new one is below our own, and goes away', async () => {
  const cgroup = await makeCgroup();
  if (!cgroup) {
    console.warn('NOT TESTED: making a cgroup (none can be made here)');
    return;
  }
  const own = [ownCgroupFolder(), ownCgroupFolder('memory'), ownCgroupFolder('cpuacct')];
  for (const file of joinFiles(cgroup)) {
    expect(existsSync(file)).toBe(true);
    expect(own).toContain(join(file, '..', '..'));
  }
  expect(cgroupPids(cgroup)).toEqual([]);
  await removeCgroup(cgroup);
  for (const file of joinFiles(cgroup)) expect(existsSync(file)).toBe(false);
});
