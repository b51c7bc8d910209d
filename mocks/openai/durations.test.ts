import { expect, test } from 'vitest';
import { goDuration } from './durations.ts';

test.each([
  [0, '0s'],
  [6, '6ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [2_812, '2.812s'],
  [60_000, '1m0s'],
  [360_000, '6m0s'],
  [432_000, '7m12s'],
  [1_396_298, '23m16.298s'],
  [3_600_000, '1h0m0s'],
])('%i ms is printed %s', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
