import { expect, test } from 'vitest';
import { linuxProcess, parsePs, psProcesses } from './list-processes.ts';

test('rows of ps are read, with days, hours and hundredths', () => {
  const text = [
    '  12     1    12   2048   0:01.50 S    Tue Nov 24 03:37:10 2026',
    ' 345    12   345 123456 1-02:03:04 Z+ Tue Nov 24 03:37:11 2026',
    '',
  ].join('\n');
  expect(parsePs(text)).toMatchObject([
    { pid: 12, parentPid: 1, groupId: 12, zombie: false, residentPages: 2048, cpuSeconds: 1.5 },
    { pid: 345, parentPid: 12, zombie: true, residentPages: 123_456, cpuSeconds: 93_784 },
  ]);
  expect(parsePs(text)[0]!.startedAt).not.toBe(parsePs(text)[1]!.startedAt);
});

test.runIf(process.platform === 'linux')('ps and /proc tell the same of this process', () => {
  const byPs = psProcesses().find(({ pid }) => pid === process.pid);
  const byProc = linuxProcess(process.pid)!;
  expect(byPs).toMatchObject({ parentPid: byProc.parentPid, groupId: byProc.groupId });
  expect(byPs?.residentPages).toBeGreaterThan(byProc.residentPages);
  expect(linuxProcess(process.ppid)?.pid).toBe(process.ppid);
});
