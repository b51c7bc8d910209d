import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAimd, createPace, type Pace } from './client-limit.ts';
import { createLimiter, quotasOf } from './limiter.ts';

const tierOne: Pace = {
  limits: { rpm: 3_000, tpm: 1_000_000 },
  share: 1,
  burstSeconds: 60,
  start: 'full',
};

test('a full minute at once, then what flows in: the wait of the published 429', () => {
  const pace = createPace(tierOne);
  expect(pace.ask(976_163, 0)).toBe(0);
  // Limit 1000000, Used 976163, Requested 70716: "Please try again in 2.812s".
  expect(pace.ask(70_716, 0)).toBe(2_812_740);
});

test('each request keeps its place, and a share of the limits takes as much longer', () => {
  const pace = createPace({ ...tierOne, limits: { tpm: 60_000 }, start: 'empty', share: 0.5 });
  // 500 tokens a second.
  expect([1_000, 500, 500].map((tokens) => pace.ask(tokens, 0))).toEqual([
    2_000_000, 3_000_000, 4_000_000,
  ]);
  // After a long pause no more than the burst is saved up: a minute's share.
  expect(pace.ask(30_000, 1e9)).toBe(1e9);
  expect(pace.ask(500, 1e9)).toBe(1e9 + 1e6);
});

test('requests bind where tokens do not', () => {
  const pace = createPace({ ...tierOne, limits: { rpm: 60, tpm: 1e6 }, burstSeconds: 1 });
  expect([1, 1, 1].map((tokens) => pace.ask(tokens, 0))).toEqual([0, 1e6, 2e6]);
});

test('a request larger than the burst still goes, once so much has flowed in', () => {
  const pace = createPace({ ...tierOne, limits: { tpm: 60_000 }, burstSeconds: 1, start: 'empty' });
  expect(pace.ask(50_000, 0)).toBe(50e6);
  expect(pace.ask(1_000, 0)).toBe(51e6);
  // Out of a rest, only what exceeds the burst is waited for.
  expect(pace.ask(3_000, 1e9)).toBe(1e9 + 2e6);
});

test('what it lets go, a provider with an empty bucket never refuses, however late it arrives', () => {
  const step = fc.record({
    pauseUs: fc.nat(3_000_000),
    tokens: fc.integer({ min: 1, max: 5_000 }),
    wayUs: fc.nat(500_000),
  });
  const shape = fc.record({
    rpm: fc.integer({ min: 60, max: 5_000 }),
    tpm: fc.integer({ min: 6_000, max: 5_000_000 }),
    share: fc.constantFrom(1, 0.95, 0.5),
    burstSeconds: fc.integer({ min: 1, max: 50 }),
  });
  fc.assert(
    fc.property(shape, fc.array(step, { maxLength: 60 }), (given, steps) => {
      fc.pre(steps.every(({ tokens }) => tokens <= given.tpm * 0.8));
      const limits = { rpm: given.rpm, tpm: given.tpm };
      const pace = createPace({ ...given, limits, start: 'empty' });
      let nowUs = 0;
      const arrivals = steps.map(({ pauseUs, tokens, wayUs }) => {
        nowUs += pauseUs;
        return { tokens, atUs: pace.ask(tokens, nowUs)! + wayUs };
      });
      arrivals.sort((a, b) => a.atUs - b.atUs);
      const quotas = quotasOf(limits, 60, { rpm: 'empty', tpm: 'empty', rpd: 'empty' });
      const provider = createLimiter(quotas, 'request');
      for (const { tokens, atUs } of arrivals)
        expect(provider.admit(tokens, atUs), `${tokens} at ${atUs}`).toBeUndefined();
    }),
  );
});

test('AIMD: halves on a refusal, once for each moment, never under one, and opens again', () => {
  const gate = createAimd(8);
  const open = () => {
    let count = 0;
    while (gate.ask(1, 0) !== undefined) count++;
    return count;
  };
  expect(open()).toBe(8);
  for (let at = 0; at < 8; at++) gate.answered(true, at);
  expect(open()).toBe(4);
  for (let at = 1; at <= 4; at++) gate.answered(true, at * 2e6);
  expect(open()).toBe(1);
  // A round of successes gives back a tenth: 2 needs ten and a few more.
  let rounds = 0;
  for (let inFlight = 1; inFlight < 2 && rounds < 100; rounds++) {
    gate.answered(false, 1e9);
    inFlight = open();
  }
  expect(rounds).toBeGreaterThanOrEqual(10);
  expect(rounds).toBeLessThan(20);
});
