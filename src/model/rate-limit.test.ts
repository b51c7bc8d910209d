import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRateLimit } from './rate-limit.ts';

test('holds a minute, refills evenly and charges nothing for a refusal', () => {
  const limit = createRateLimit(60);
  expect(limit.take(50, 0)).toBeUndefined();
  expect(limit.take(20, 0)).toEqual({ available: 10, waitSeconds: 10 });
  // A second brings one token, however often the limit refused.
  expect(limit.take(20, 1e6)).toEqual({ available: 11, waitSeconds: 9 });
  expect(limit.take(20, 10e6)).toBeUndefined();
  expect(limit.available(10e6)).toBeCloseTo(0, 9);
});

test('never admits more at once than a whole minute', () => {
  const limit = createRateLimit(60);
  expect(limit.take(61, 0)?.waitSeconds).toBe(Infinity);
  expect(limit.take(60, 0)).toBeUndefined();
  // It holds no more than a minute, however long it rests.
  expect(limit.take(60, 3_600e6)).toBeUndefined();
  expect(limit.take(1, 3_600e6)?.waitSeconds).toBeCloseTo(1, 6);
});

test('admits within any time no more than its bucket and what flowed in', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 5e6 }))),
      (perMinute, demands) => {
        const limit = createRateLimit(perMinute);
        let [nowUs, taken] = [0, 0];
        for (const [cost, laterUs] of demands) {
          nowUs += laterUs;
          if (!limit.take(cost, nowUs)) taken += cost;
          expect(taken).toBeLessThanOrEqual(perMinute + (perMinute * nowUs) / 60e6 + 1e-6);
        }
      },
    ),
  );
});

test('has enough after exactly the wait that it told, however often it was asked meanwhile', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.integer({ min: 1, max: 2e6 }), { maxLength: 20 }),
      (perMinute, asks) => {
        const limit = createRateLimit(perMinute);
        limit.take(perMinute, 0);
        const cost = Math.ceil(perMinute / 3);
        const told = limit.take(cost, 0)!.waitSeconds * 1e6;
        for (const atUs of asks.filter((us) => us < told).sort((a, b) => a - b))
          limit.available(atUs);
        expect(limit.take(cost, Math.round(told))).toBeUndefined();
      },
    ),
  );
});
