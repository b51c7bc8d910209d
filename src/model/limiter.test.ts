import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chargedTokens,
  createLimiter,
  type Fill,
  type Limits,
  type QuotaName,
  quotasOf,
  type RejectionCost,
} from './limiter.ts';

const start = (fill: Fill) => ({ rpm: fill, tpm: fill, rpd: fill });
const limiterOf = (
  limits: Limits,
  { burst = 60, fill = 'full' as Fill, cost = 'request' as RejectionCost } = {},
) => createLimiter(quotasOf(limits, burst, start(fill)), cost);
const second = 1_000_000;

test('a timeline worked by hand', () => {
  // 60 tokens a minute: one comes back each second.
  const limiter = limiterOf({ tpm: 60 });
  expect(limiter.admit(50, 0)).toBeUndefined();
  expect(limiter.admit(20, 0)).toEqual({
    name: 'tpm',
    limit: 60,
    used: 50,
    requested: 20,
    waitUs: 10 * second,
  });
  expect(limiter.standings(5 * second)).toEqual([
    { name: 'tpm', limit: 60, remaining: 15, used: 45, fullAgainMs: 45_000 },
  ]);
  expect(limiter.admit(20, 10 * second - 1)?.waitUs).toBe(1);
  expect(limiter.admit(20, 10 * second)).toBeUndefined();
  expect(limiter.standings(10 * second)[0]).toMatchObject({ remaining: 0, used: 60 });
  expect(limiter.standings(70 * second)[0]).toMatchObject({ remaining: 60, used: 0 });
  // A bucket never holds more than its capacity.
  expect(limiter.admit(60, 1_000 * second)).toBeUndefined();
  expect(limiter.admit(1, 1_000 * second)?.waitUs).toBe(second);
});

test('the quota that binds longest is named, and a refused request takes no tokens', () => {
  const limiter = limiterOf({ rpm: 60, tpm: 60 }, { cost: 'none' });
  expect(limiter.admit(60, 0)).toBeUndefined();
  expect(limiter.admit(30, 0)).toMatchObject({ name: 'tpm', waitUs: 30 * second });
  expect(limiter.standings(0).map(({ used }) => used)).toEqual([1, 60]);
});

test.each([
  { cost: 'none' as const, used: [1, 60] },
  { cost: 'request' as const, used: [2, 60] },
  { cost: 'request+tokens' as const, used: [2, 100] },
])('a refusal costs $cost', ({ cost, used }) => {
  const limiter = limiterOf({ rpm: 100, tpm: 100 }, { cost });
  expect(limiter.admit(60, 0)).toBeUndefined();
  expect(limiter.admit(50, 0)?.name).toBe('tpm');
  expect(limiter.standings(0).map((standing) => standing.used)).toEqual(used);
});

test('no wait cures a request that is larger than the bucket', () => {
  expect(limiterOf({ tpm: 1_000 }).admit(1_001, 0)?.waitUs).toBe(Infinity);
  expect(limiterOf({ tpm: 1_000 }).admit(1_000, 0)).toBeUndefined();
  expect(limiterOf({ tpm: 6_000 }, { burst: 10 }).admit(1_001, 0)?.waitUs).toBe(Infinity);
  expect(limiterOf({ tpm: 6_000 }, { burst: 10 }).admit(1_000, 0)).toBeUndefined();
});

test('a bucket that starts empty admits only what has come in', () => {
  const limiter = limiterOf({ tpm: 60 }, { fill: 'empty' });
  expect(limiter.standings(0)[0]).toMatchObject({ remaining: 0, used: 60 });
  expect(limiter.admit(5, 0)?.waitUs).toBe(5 * second);
  expect(limiter.admit(5, 5 * second)).toBeUndefined();
  expect(limiter.admit(1, 5 * second)?.waitUs).toBe(second);
});

test('a switch of limits keeps what was used', () => {
  const limiter = limiterOf({ rpm: 10, tpm: 1_000 });
  limiter.admit(900, 0);
  limiter.switchTo(quotasOf({ rpm: 20, tpm: 5_000 }, 60, start('full')), 0);
  expect(limiter.standings(0)).toMatchObject([
    { name: 'rpm', limit: 20, used: 1, remaining: 19 },
    { name: 'tpm', limit: 5_000, used: 900, remaining: 4_100 },
  ]);
  limiter.switchTo(quotasOf({ tpm: 600 }, 60, start('full')), 0);
  expect(limiter.standings(0)).toMatchObject([{ name: 'tpm', limit: 600, used: 600 }]);
  expect(limiter.admit(10, 0)?.waitUs).toBe(second);
});

// Messages that the provider printed: limit, used, requested, window in seconds, hint in ms.
const printed: [QuotaName, number, number, number, number][] = [
  ['tpm', 1_000_000, 976_163, 70_716, 2_812],
  ['tpm', 1_000_000, 974_150, 34_558, 522],
  ['tpm', 1_000_000, 969_710, 49_559, 1_156],
  ['tpm', 1_000_000, 735_993, 747_646, 29_018],
  ['tpm', 1_000_000, 923_902, 96_709, 1_236],
  ['tpm', 1_000_000, 1_000_000, 46_142, 2_768],
  ['tpm', 1_000_000, 1_000_000, 8_503, 510],
  ['tpm', 1_000_000, 1_000_000, 3_538, 212],
  ['tpm', 5_000_000, 5_000_000, 22_437, 269],
  ['tpm', 200_000, 195_663, 7_592, 976],
  ['tpm', 30_000, 14_567, 24_754, 18_642],
  ['tpm', 30_000, 29_937, 385, 644],
  ['rpm', 3, 3, 1, 20_000],
  ['rpd', 200, 200, 1, 432_000],
  ['rpd', 50, 50, 1, 1_728_000],
  ['rpd', 2_000, 2_000, 1, 43_200],
  ['rpd', 10_000, 10_000, 1, 8_640],
];
test.each(printed)('printed hint: %s %i, used %i, requested %i', (name, limit, used, asked, ms) => {
  const limiter = limiterOf({ [name]: limit });
  const tokens = name === 'tpm';
  for (let left = tokens ? 1 : used; left > 0; left--)
    expect(limiter.admit(tokens ? used : 0, 0)).toBeUndefined();
  const refusal = limiter.admit(tokens ? asked : 0, 0)!;
  expect(refusal).toMatchObject({ name, limit, used, requested: asked });
  expect(Math.floor(refusal.waitUs / 1_000)).toBe(ms);
});

test.each([
  [0, 0],
  [3, 0],
  [4, 1],
  [34, 8],
  [94_995, 23_748],
])('%i bytes are charged %i tokens', (bytes, tokens) => {
  expect(chargedTokens(bytes)).toBe(tokens);
});

describe('against an exact bucket', () => {
  const arrivals = fc.array(
    fc.record({
      gapUs: fc.oneof(fc.nat(1_000), fc.nat(5_000_000), fc.nat(120_000_000)),
      tokens: fc.oneof(fc.nat(1_000), fc.nat(2_000_000)),
    }),
    { maxLength: 150 },
  );
  const setting = fc.record({
    rpm: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 10_000 })),
    tpm: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 10_000_000 })),
    rpd: fc.integer({ min: 1, max: 50_000 }),
    burst: fc.constantFrom(60, 60, 1, 7, 10, 30),
    fill: fc.constantFrom<Fill>('full', 'empty'),
    cost: fc.constantFrom<RejectionCost>('none', 'request', 'request+tokens'),
  });

  test('it admits the very same requests', () => {
    fc.assert(
      fc.property(setting, arrivals, ({ rpm, tpm, rpd, burst, fill, cost }, requests) => {
        const limiter = limiterOf({ rpm, tpm, rpd }, { burst, fill, cost });
        // Levels of what is left, in units times microseconds: a burst of b seconds is b million.
        const buckets = [
          { limit: BigInt(rpm), window: 60_000_000n, cap: BigInt(rpm * burst) * 1_000_000n },
          { limit: BigInt(tpm), window: 60_000_000n, cap: BigInt(tpm * burst) * 1_000_000n },
          { limit: BigInt(rpd), window: 86_400_000_000n, cap: BigInt(rpd) * 86_400_000_000n },
        ].map((bucket) => ({ ...bucket, left: fill === 'full' ? bucket.cap : 0n }));
        let nowUs = 0;
        for (const { gapUs, tokens } of requests) {
          nowUs += gapUs;
          const costs = buckets.map((bucket, at) => {
            const filled = bucket.left + bucket.limit * BigInt(gapUs);
            bucket.left = filled > bucket.cap ? bucket.cap : filled;
            return (at === 1 ? BigInt(tokens) : 1n) * bucket.window;
          });
          const fits = buckets.every(({ left }, at) => left >= costs[at]!);
          for (const [at, bucket] of buckets.entries()) {
            const charges = fits || cost === 'request+tokens' || (cost === 'request' && at !== 1);
            if (!charges) continue;
            bucket.left -= costs[at]!;
            if (bucket.left < 0n) bucket.left = 0n;
          }
          expect(limiter.admit(tokens, nowUs) === undefined).toBe(fits);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('between any two instants it admits no more than capacity and refill', () => {
    fc.assert(
      fc.property(setting, arrivals, ({ tpm, burst, fill, cost }, requests) => {
        const limiter = limiterOf({ tpm }, { burst, fill, cost });
        let nowUs = 0;
        const admitted: { atUs: number; tokens: number }[] = [];
        for (const { gapUs, tokens } of requests) {
          nowUs += gapUs;
          if (!limiter.admit(tokens, nowUs)) admitted.push({ atUs: nowUs, tokens });
        }
        const capacity = BigInt(tpm * burst) * 1_000_000n;
        const check = (fromUs: number, held: bigint, window: typeof admitted) => {
          let sum = 0n;
          for (const { atUs, tokens } of window) {
            sum += BigInt(tokens) * 60_000_000n;
            expect(sum <= held + BigInt(tpm) * BigInt(atUs - fromUs)).toBe(true);
          }
        };
        check(0, fill === 'full' ? capacity : 0n, admitted);
        for (const [at, { atUs }] of admitted.entries()) check(atUs, capacity, admitted.slice(at));
      }),
    );
  });

  test('who waits exactly as long as told is admitted, and no sooner', () => {
    fc.assert(
      fc.property(setting, arrivals, fc.nat(5_000), (limits, requests, tokens) => {
        const { rpm, tpm, burst, fill } = limits;
        const options = { burst, fill, cost: 'none' as const };
        const limiter = limiterOf({ rpm, tpm }, options);
        let nowUs = 0;
        for (const request of requests) {
          nowUs += request.gapUs;
          limiter.admit(request.tokens, nowUs);
        }
        const refusal = limiter.admit(tokens, nowUs);
        if (!refusal || refusal.waitUs === Infinity) return;
        expect(limiter.admit(tokens, nowUs + refusal.waitUs - 1)?.waitUs).toBe(1);
        expect(limiter.admit(tokens, nowUs + refusal.waitUs)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
