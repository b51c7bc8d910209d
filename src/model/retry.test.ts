import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ClientProfile, type Hint, retryDelayMs, upsertRetryMs } from './retry.ts';

const ms = (retryAfterMs: number): Hint => ({ retryAfterMs });
const seconds = (retryAfterSeconds: number): Hint => ({ retryAfterSeconds });
const both: Hint = { retryAfterMs: 300, retryAfterSeconds: 1 };

type Row = [attempt: number, hint: Hint, u: number, expected: number | undefined];
const backoff: Row[] = [
  [0, {}, 0, 500],
  [0, {}, 0.5, 437.5],
  [0, {}, 1, 375],
  [1, {}, 0, 1_000],
  [1, {}, 1, 750],
  [2, {}, 0, undefined],
  [2, ms(1), 0, undefined],
  [0, ms(300), 0.5, 300],
  [1, ms(300), 0.5, 300],
  [0, both, 0.5, 300],
  [0, seconds(1), 0.5, 1_000],
  [0, seconds(60), 0.5, 60_000],
];
const tables: Record<ClientProfile, Row[]> = {
  none: [
    [0, {}, 0.5, undefined],
    [0, ms(1), 0.5, undefined],
  ],
  patient: [
    [0, {}, 0, 125],
    [0, {}, 1, 250],
    [1, {}, 0, 250],
    [3, {}, 1, 2_000],
    [50, {}, 0, 1_000],
    [50, {}, 1, 2_000],
    [0, ms(1_000), 0, 1_000],
    [0, ms(1_000), 0.5, 1_510],
    [2, ms(1_000), 0.5, 2_530],
    [9, ms(1_000), 0.5, 2_540],
    [0, seconds(3_600), 0, 3_600_000],
  ],
  // Any hint, however long.
  'openai-node-6': [
    ...backoff,
    [0, ms(0), 0.5, 0],
    [0, seconds(65), 0, 65_000],
    [1, seconds(3_600), 0, 3_600_000],
  ],
  // Up to a minute, else its own backoff.
  'openai-node-7': [
    ...backoff,
    [0, ms(0), 0.5, 0],
    [0, seconds(65), 0, 500],
    [1, ms(60_001), 0, 1_000],
  ],
  'openai-python-2': [
    ...backoff,
    [0, ms(0), 0, 500],
    [0, seconds(65), 0, 500],
    [1, ms(60_001), 0, 1_000],
  ],
  // Up to two minutes, else it gives up.
  'openai-python-3': [
    ...backoff,
    [0, ms(0), 0, 500],
    [0, seconds(65), 0, 65_000],
    [0, seconds(120), 0, 120_000],
    [0, seconds(121), 0, undefined],
  ],
  'exact-hint': [
    [0, both, 0.1, 300],
    [0, both, 0.9, 300],
    [99, seconds(1), 0.5, 1_000],
    [1, {}, 0.5, 1_000],
    [99, {}, 0.5, 8_000],
  ],
  // Up to half a second, doubled, at most 8 s, whatever the hint says.
  'full-jitter': [
    [0, ms(5_000), 0.5, 250],
    [2, {}, 0.25, 500],
    [4, {}, 1, 8_000],
    [99, {}, 0.5, 4_000],
  ],
};

for (const [client, rows] of Object.entries(tables))
  test.each(rows)(`${client}: attempt %i, hint %j, u %f waits %s`, (attempt, hint, u, expected) => {
    expect(retryDelayMs(client as ClientProfile, attempt, hint, u)).toBe(expected);
  });

test('an SDK tries again as many times as its max_retries say, and no more', () => {
  const waits = (most: number) =>
    Array.from({ length: 8 }, (_, attempt) =>
      retryDelayMs('openai-node-7', attempt, ms(10), 0.5, most),
    ).filter((wait) => wait !== undefined).length;
  expect([0, 1, 5].map(waits)).toEqual([0, 1, 5]);
});

test('a patient client never gives up and never comes sooner than told', () => {
  const u = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(86_400_000), u, (attempt, told, draw) => {
      expect(retryDelayMs('patient', attempt, ms(told), draw)).toBeGreaterThanOrEqual(told);
      expect(retryDelayMs('patient', attempt, {}, draw)).toBeGreaterThan(0);
    }),
  );
});

test.each([
  [0, 0, 1_000],
  [0, 1, 750],
  [1, 0, 2_000],
  [3, 0, 8_000],
  [9, 0, 8_000],
])('a failed upsert: attempt %i, u %d waits %d', (attempt, u, expected) => {
  expect(upsertRetryMs(attempt, u)).toBe(expected);
});
