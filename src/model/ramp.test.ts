import { expect, test } from 'vitest';
import { completeLab } from './lab.ts';
import { createRamp } from './ramp.ts';
import { createEmbeddings } from './services.ts';

const minute = 60_000_000;
const key = { record: 0, attempt: 0, draw: 0 };

/** Admits what the ramp allows of so many requests of so many tokens at one instant; returns how many. */
const admit = (
  ramp: ReturnType<typeof createRamp>,
  tokens: number,
  most: number,
  nowUs: number,
) => {
  for (let done = 0; done < most; done++) {
    if (ramp.refusal(tokens, nowUs)) return done;
    ramp.count(tokens, nowUs);
  }
  return most;
};

test('a million tokens per minute are free, with a minute of them as burst', () => {
  const ramp = createRamp(0);
  expect(admit(ramp, 100_000, 20, 0)).toBe(10);
  // 100,000 tokens are 6 s of a million per minute.
  expect(ramp.refusal(100_000, 0)).toEqual({
    name: 'tpm',
    limit: 1_000_000,
    used: 1_000_000,
    requested: 100_000,
    waitUs: 6_000_000,
  });
  expect(ramp.refusal(100_000, 5_999_999)).toBeDefined();
  expect(ramp.refusal(100_000, 6_000_000)).toBeUndefined();
  expect(ramp.refusal(1_000_001, 0)?.waitUs).toBe(Infinity);
});

test('the rate of a quarter is half as much again as the mean of the one before', () => {
  const ramp = createRamp(0);
  const perQuarter = Array.from({ length: 4 }, (_, quarter) => {
    let tokens = 0;
    for (let at = 0; at < 15; at++)
      tokens += 10_000 * admit(ramp, 10_000, 2_000, (quarter * 15 + at) * minute);
    return [ramp.refusal(10_000_000, (quarter * 15 + 14) * minute)?.limit, tokens];
  });
  // Once a minute, all whole requests that a minute's bucket holds: the mean is the rate.
  expect(perQuarter).toEqual([
    [1_000_000, 15_000_000],
    [1_500_000, 22_500_000],
    [2_250_000, 33_750_000],
    [3_375_000, 15 * 3_370_000],
  ]);
});

test('after a quarter without traffic it is a million again', () => {
  const ramp = createRamp(0);
  for (let at = 0; at < 15; at++) admit(ramp, 100_000, 10, at * minute);
  expect(ramp.refusal(9_000_000, 15 * minute)?.limit).toBe(1_500_000);
  expect(ramp.refusal(9_000_000, 30 * minute)?.limit).toBe(1_000_000);
  const idle = createRamp(0);
  admit(idle, 100_000, 10, 0);
  expect(idle.refusal(9_000_000, 300 * minute)?.limit).toBe(1_000_000);
});

test('refuses embeddings within their limits, charges what a refusal costs and is counted as tokens', () => {
  const embeddings = createEmbeddings(
    completeLab({ openai: { tier: 'tier-5', slowDown: true, rejectionCost: 'request' } }),
  );
  expect(embeddings.embed(1_000_000, 1, key, 0)).toMatchObject({ refusedBy: undefined });
  const { refusal, refusedBy } = embeddings.embed(10_000, 1, key, 0);
  expect([refusal?.name, refusal?.waitUs, refusedBy]).toEqual(['tpm', 600_000, 'slow_down']);
  expect(embeddings.limiter.standings(0).map(({ name, used }) => [name, used])).toEqual([
    ['rpm', 2],
    ['tpm', 1_000_000],
  ]);
});

test('is off unless a lab turns it on', () => {
  const embeddings = createEmbeddings(completeLab({ openai: { tier: 'tier-5' } }));
  expect(embeddings.embed(9_000_000, 1, key, 0).refusedBy).toBeUndefined();
});

test('what the limit refuses is no traffic', () => {
  const lab = completeLab({
    openai: { tier: 'unlimited', limits: { rpm: 1 }, slowDown: true },
  });
  const embeddings = createEmbeddings(lab);
  embeddings.embed(500_000, 1, key, 0);
  expect(embeddings.embed(500_000, 1, key, 0).refusedBy).toBe('rpm');
  expect(embeddings.embed(500_000, 1, key, 0).refusedBy).toBe('rpm');
});

test('an account that can not pay is refused everything and charged nothing', () => {
  const embeddings = createEmbeddings(
    completeLab({ openai: { tier: 'tier-1', quota: 'insufficient_quota' } }),
  );
  const { refusal, refusedBy } = embeddings.embed(10, 1, key, 0);
  expect([refusal?.waitUs, refusedBy]).toEqual([Infinity, 'quota']);
  expect(embeddings.limiter.standings(0).map(({ used }) => used)).toEqual([0, 0]);
});
