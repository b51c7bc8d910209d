import { expect, test } from 'vitest';
import type { About } from './endpoint.ts';
import type { Sighting } from './observed.ts';
import { createStatistics } from './statistics.ts';

const sighting = (
  nowMs: number,
  status: number,
  about: Partial<About> = {},
  delayMs = 100,
): Sighting => ({
  service: 'openai',
  method: 'POST',
  path: '/',
  headers: {},
  bytes: Buffer.from(String(nowMs)),
  answer: { status, body: '', delayMs, about: { run: 'a', kind: 'embeddings', ...about } },
  nowMs,
  ownMs: 0.5,
});

test('nothing seen divides by nothing', () => {
  expect(createStatistics().view()).toMatchObject({
    requests: 0,
    attemptsPerSuccess: null,
    seconds: 0,
    pointsPerSecond: null,
    requestsPerSecond: null,
    ownMs: { p50: 0 },
  });
});

test('a known sequence', () => {
  const statistics = createStatistics();
  for (const one of [
    sighting(1_000, 200, { tokens: 30 }),
    sighting(1_100, 429, { refusedBy: 'tpm', hintMs: 5 }),
    sighting(1_200, 200, { tokens: 20, fault: 'reset' }),
    sighting(1_300, 200, { tokens: 10, fault: 'latency' }),
    sighting(1_400, 200, { kind: 'upsert', points: 50 }),
    sighting(1_900, 200, { kind: 'read' }),
  ])
    statistics.add(one, 10);
  const { ownMs, delayMs, ...view } = statistics.view();
  expect(view).toEqual({
    requests: 6,
    byStatus: { 200: 5, 429: 1 },
    rateLimited: { tpm: 1 },
    faults: { reset: 1, latency: 1 },
    attemptsPerSuccess: 5 / 3,
    waits: { obeyed: 0, early: 0, meanEarlyMs: 0, mostEarlyMs: 0, unknown: 0, pending: 1 },
    tokens: 60,
    points: 50,
    seconds: 10,
    pointsPerSecond: 5,
    requestsPerSecond: 0.6,
  });
  expect(ownMs.p99).toBeCloseTo(0.5, 5);
  expect(delayMs.p50).toBeCloseTo(100, 5);
});

test('percentiles are within 2 %', () => {
  const statistics = createStatistics();
  for (let ms = 1; ms <= 1_000; ms++) statistics.add(sighting(ms, 200, {}, ms), 1);
  const { p50, p95, p99 } = statistics.view().delayMs;
  for (const [real, exact] of [
    [p50, 500],
    [p95, 950],
    [p99, 990],
  ] as const)
    expect(Math.abs(real - exact) / exact).toBeLessThan(0.02);
});
