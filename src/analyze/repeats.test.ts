import { expect, test } from 'vitest';
import { labs } from '../model/labs.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { simulateSweep } from './analyze.ts';
import { analyzeRepeats, labOfRepeat, mergeRepeats, simulateRepeats } from './repeats.ts';

const lab = labs['openai-tier-1']!;
const provenance = { kneepoint: '0.1.0', node: 'v24', labHash: '' };
const cell = simulateCell(lab, 5);
const runOf = (seconds: number, recordsFailed = 0, timeouts = 0): RawCell => ({
  ...cell,
  seconds,
  recordsPerSecond: (100 - recordsFailed) / seconds,
  qdrant: { ...cell.qdrant, timeouts, requests: 1_000 * seconds },
  completeness: { ...cell.completeness, recordsFailed, pointsStored: 800 - 8 * recordsFailed },
});

test('one run is what it was', () => {
  expect(mergeRepeats([cell])).toBe(cell);
  expect(simulateRepeats(lab, provenance, 1)).toEqual(simulateSweep(lab, provenance));
});

test('the time is the geometric mean, all runs are kept in order', () => {
  const merged = mergeRepeats([runOf(20), runOf(5), runOf(10)]);
  expect(merged.seconds).toBeCloseTo(10, 9);
  expect(merged.recordsPerSecond).toBeCloseTo(10, 9);
  expect(merged.repeats!.map(({ seconds }) => seconds)).toEqual([20, 5, 10]);
  // Of three equal runs but for the time, the figures are those of the one in the middle.
  expect(merged.qdrant.requests).toBe(10_000);
});

test('a run that lost records is not hidden behind two that did not', () => {
  const merged = mergeRepeats([runOf(10), runOf(12, 3), runOf(11, 0, 9)]);
  expect(merged.completeness.recordsFailed).toBe(3);
  expect(merged.qdrant.requests).toBe(12_000);
  expect(mergeRepeats([runOf(10), runOf(11, 0, 9)]).qdrant.timeouts).toBe(9);
});

test('a run that lost everything has no logarithm, and still a rate', () => {
  expect(mergeRepeats([runOf(10), runOf(10, 100)]).recordsPerSecond).toBeCloseTo(5, 9);
});

test('seeds count up from the lab, and each is a run of its own', () => {
  expect([0, 1, 2].map((repeat) => labOfRepeat({ ...lab, seed: 7 }, repeat).seed)).toEqual([
    7, 8, 9,
  ]);
  const { cells } = simulateRepeats(lab, provenance, 3);
  const third = simulateCell(labOfRepeat(lab, 2), 10);
  expect(cells[3]!.repeats![2]!.seconds).toBeCloseTo(third.seconds, 3);
  expect(cells[3]!.predictedSeconds).toBe(cells[3]!.seconds);
  expect(cells.map(({ seconds }) => seconds)).toEqual(
    [60, 30.5, 24.5, 24.5, 24.5].map((seconds) => expect.closeTo(seconds, -0.3)),
  );
});

test('what real runs are compared with is the simulation of the same seeds', () => {
  const runs = lab.workers.map((workers) =>
    [0, 1].map((at) => simulateCell(labOfRepeat(lab, at), workers)),
  );
  const measured = analyzeRepeats('k6', lab, runs, provenance);
  expect(measured.engine).toBe('k6');
  for (const { seconds, predictedSeconds } of measured.cells)
    expect(predictedSeconds / seconds).toBeCloseTo(1, 4);
});

test('a cell that does not fit is not run several times either', () => {
  const { cells } = simulateRepeats(labs['memory-8gb']!, provenance, 2);
  expect(cells.map(({ repeats }) => repeats?.length)).toEqual([2, 2, 2, 2, undefined]);
});
