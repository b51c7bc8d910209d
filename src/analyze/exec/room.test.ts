import { expect, test } from 'vitest';
import { checkLab } from '../../lab-file.ts';
import { infeasibleCell } from '../../simulate/cell.ts';
import { type MeasuredCell, nothingObserved } from './measured.ts';
import { roomProblem } from './room.ts';

const lab = checkLab({ host: { memoryGb: 8 } }, 'test');
const machine = { freeMb: 16 * 1_024, limitMb: undefined };

const held = (workers: number, peakMb: number): MeasuredCell => ({
  ...infeasibleCell(lab, workers),
  feasible: true,
  seconds: 1,
  spentSeconds: { embed: 0, qdrant: 0, backoff: 0 },
  peakMb,
  pointsPerRecord: 8,
  observed: {
    ...nothingObserved,
    wholeSeconds: 1,
    exitCode: 0,
    cpuSeconds: 1,
  },
});

test('by one worker count nothing is refused but what this machine may not hold', () => {
  // 500 MiB for the program and 2 for a worker: taken for the worker’s, 20 of them would be 9.8 GiB.
  const measured = [held(1, 502)];
  expect(roomProblem(lab, 20, measured, machine)).toBeUndefined();
  expect(roomProblem(lab, 20, measured, { ...machine, freeMb: 4_096 })).toEqual({
    problem:
      'not run: going by 1 alone, 20 workers may need up to 9.8 GiB, and this machine has 4.0 GiB free; a worker count between the two would tell',
    whose: 'machine',
  });
});

test('by two worker counts the line through them decides', () => {
  expect(roomProblem(lab, 20, [held(1, 502), held(2, 504)], machine)).toBeUndefined();
  expect(roomProblem(lab, 20, [held(1, 502), held(2, 1_002)], machine)).toEqual({
    problem: "not run: 20 workers need about 9.8 GiB of the host's 8.0 GiB",
    whose: 'host',
  });
});

test('before anything was measured the lab decides, and under a limit only the machine', () => {
  const large = checkLab({ host: { memoryGb: 8 }, worker: { memoryMb: 525 } }, 'test');
  expect(roomProblem(large, 20, [], machine)?.whose).toBe('host');
  expect(roomProblem(large, 20, [], { ...machine, limitMb: 1_024 })).toBeUndefined();
  expect(roomProblem(large, 40, [], { ...machine, limitMb: 1_024 })?.whose).toBe('machine');
});

test('what was killed at its limit says nothing of what a worker needs', () => {
  const killed = { ...held(2, 30), feasible: false };
  expect(roomProblem(lab, 20, [held(1, 502), killed], { freeMb: 4_096, limitMb: 512 })?.whose).toBe(
    'machine',
  );
});
