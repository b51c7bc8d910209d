import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { waitsFor, watchEventLoop } from './event-loop.ts';

test('one block of 100 ms in a second: a tenth of all requests meet it, and wait 50 ms on average', () => {
  // Longer than x waits who comes in the first 100 - x ms: for 5 % that is x = 50, for 1 % x = 90.
  expect(waitsFor([100], 1_000)).toEqual({ mean: 5, p50: 0, p95: 50, p99: 90 });
});

test('many short blocks and a long one are weighed by the requests that meet them', () => {
  // Over x ms are (10 - x)·20 + (300 - x) of 1,000 ms: 500 at x = 0 already, 50 at x = 250, 10 at 290.
  const blocks = [...Array.from({ length: 20 }, () => 10), 300];
  expect(waitsFor(blocks, 1_000)).toEqual({ mean: 46, p50: 0, p95: 250, p99: 290 });
  // Where the loop is always blocked for 10 ms, half of all wait 5.
  expect(
    waitsFor(
      Array.from({ length: 100 }, () => 10),
      1_000,
    ),
  ).toMatchObject({ p50: 5, mean: 5 });
});

test('an idle loop keeps nobody waiting', () => {
  expect(waitsFor([], 1_000)).toEqual({ mean: 0, p50: 0, p95: 0, p99: 0 });
  expect(waitsFor([], 0)).toEqual({ mean: 0, p50: 0, p95: 0, p99: 0 });
});

test('a real block is seen within its own stretch only', async () => {
  const watch = watchEventLoop();
  const begunMs = performance.now();
  await sleep(30);
  const blockedMs = performance.now();
  while (performance.now() < blockedMs + 300);
  await sleep(30);
  const endedMs = performance.now();
  watch.close();
  const { p99 } = watch.between(begunMs, endedMs);
  // At most 10 ms of a block are not seen; a busy machine can only lengthen it.
  expect(p99).toBeGreaterThan(250);
  expect(p99).toBeLessThanOrEqual(endedMs - begunMs);
  expect(watch.between(blockedMs - 10_000, blockedMs - 5_000).p99).toBe(0);
});
