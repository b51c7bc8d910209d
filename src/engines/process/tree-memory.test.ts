import { expect, test } from 'vitest';
import type { Listed } from './list-processes.ts';
import { createTreeMemory, type Resident, type Rollup } from './tree-memory.ts';

const mb = (megabytes: number) => megabytes * 1024;
const pages = (megabytes: number) => mb(megabytes) / 4;

const listed = (pid: number): Listed => ({
  pid,
  parentPid: 1,
  groupId: 1,
  sessionId: 1,
  zombie: false,
  startedAt: '1',
  residentPages: 0,
  cpuSeconds: 0,
  childrenCpuSeconds: 0,
});

/** Processes of which a test says what the kernel would. */
function pretend() {
  const rollups = new Map<number, Rollup>();
  const residents = new Map<number, Resident>();
  return {
    memory: createTreeMemory(
      (pid) => rollups.get(pid),
      (pid) => residents.get(pid),
      'linux',
    ),
    set: (
      pid: number,
      {
        anonymous,
        file,
        pss,
        own,
      }: { anonymous: number; file: number; pss?: number; own?: number },
    ) => {
      residents.set(pid, { pages: pages(anonymous + file), anonymousPages: pages(anonymous) });
      if (pss === undefined || own === undefined) rollups.delete(pid);
      else
        rollups.set(pid, { residentKb: mb(anonymous + file), pssKb: mb(pss), privateKb: mb(own) });
    },
  };
}

test('shared pages count once, in and between full rounds', () => {
  const { memory, set } = pretend();
  // 500 MB in one, then forked: the same pages in both.
  set(1, { anonymous: 490, file: 10, pss: 500, own: 500 });
  expect(memory.measure([listed(1)], true)).toBeCloseTo(500);
  set(1, { anonymous: 490, file: 10, pss: 255, own: 10 });
  set(2, { anonymous: 490, file: 10, pss: 255, own: 10 });
  const both = [listed(1), listed(2)];
  expect(memory.measure(both, false)).toBeCloseTo(510);
  expect(memory.measure(both, true)).toBeCloseTo(510);
  // What each takes from now on is its own.
  set(1, { anonymous: 510, file: 10, pss: 0, own: 0 });
  set(2, { anonymous: 690, file: 10, pss: 0, own: 0 });
  expect(memory.measure(both, false)).toBeCloseTo(730);
  expect(memory.source()).toBe('pss');
});

test('a program that maps a large file which others hold as well does not grow by it', () => {
  const { memory, set } = pretend();
  set(1, { anonymous: 1, file: 1, pss: 1.5, own: 1 });
  expect(memory.measure([listed(1)], true)).toBeCloseTo(1.5);
  set(1, { anonymous: 201, file: 50, pss: 0, own: 0 });
  expect(memory.measure([listed(1)], false)).toBeCloseTo(201.5);
});

test('a process that hides its share counts in full, and it is said', () => {
  const { memory, set } = pretend();
  set(1, { anonymous: 80, file: 20 });
  expect(memory.measure([listed(1)], true)).toBeCloseTo(100);
  expect(memory.source()).toBe('rss');
});

test('a process that has ended since it was listed counts nothing and hides nothing', () => {
  const { memory, set } = pretend();
  set(1, { anonymous: 80, file: 20, pss: 90, own: 85 });
  expect(memory.measure([listed(1), listed(2)], true)).toBeCloseTo(90);
  expect(memory.source()).toBe('pss');
});

test('where no shares are known, resident sizes are added up', () => {
  const memory = createTreeMemory(undefined, undefined, 'darwin');
  const both = [
    { ...listed(1), residentPages: mb(30) },
    { ...listed(2), residentPages: mb(12) },
  ];
  expect(memory.measure(both, true)).toBe(42);
  expect(memory.source()).toBe('rss');
});
