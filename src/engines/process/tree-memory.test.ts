import { expect, test } from 'vitest';
import type { Listed } from './list-processes.ts';
import { createTreeMemory, type Rollup } from './tree-memory.ts';

const mb = (megabytes: number) => megabytes * 1024;

const listed = (pid: number, residentMb: number): Listed => ({
  pid,
  parentPid: 1,
  groupId: 1,
  sessionId: 1,
  zombie: false,
  startedAt: '1',
  residentPages: mb(residentMb) / 4,
  cpuSeconds: 0,
  childrenCpuSeconds: 0,
});

test.runIf(process.platform === 'linux')(
  'shared pages count once, in and between full rounds',
  () => {
    const rollups = new Map<number, Rollup>();
    const memory = createTreeMemory((pid) => rollups.get(pid));
    const set = (pid: number, residentMb: number, pssMb: number, privateMb: number) =>
      rollups.set(pid, { residentKb: mb(residentMb), pssKb: mb(pssMb), privateKb: mb(privateMb) });

    // 500 MB in one, then forked: the same pages in both.
    set(1, 500, 500, 500);
    expect(memory.measure([listed(1, 500)], true)).toBeCloseTo(500);
    set(1, 500, 255, 10);
    set(2, 500, 255, 10);
    expect(memory.measure([listed(1, 500), listed(2, 500)], false)).toBeCloseTo(510);
    expect(memory.measure([listed(1, 500), listed(2, 500)], true)).toBeCloseTo(510);
    // What each takes from now on is its own.
    expect(memory.measure([listed(1, 520), listed(2, 700)], false)).toBeCloseTo(730);
    expect(memory.source()).toBe('pss');
  },
);

test.runIf(process.platform === 'linux')(
  'a process that hides its share counts in full, and it is said',
  () => {
    const memory = createTreeMemory(() => undefined);
    expect(memory.measure([listed(process.pid, 100)], true)).toBeCloseTo(100);
    expect(memory.source()).toBe('rss');
  },
);
