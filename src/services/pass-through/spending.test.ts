import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Billed, createSpending, type Reservation } from './spending.ts';

const small = 'text-embedding-3-small';
/** Bytes of a body that is expected to cost so many dollars at $0.02 per million tokens. */
const bytesFor = (usd: number) => (usd / 0.02) * 1e6 * 4;
const settled = (asked: Reservation, billed: Billed) => {
  if ('refusal' in asked) return expect.unreachable(asked.refusal);
  asked.settle(billed);
};

test('what is answered is counted by its billed tokens', () => {
  const spending = createSpending({});
  settled(spending.reserve(small, 4_000), 900);
  settled(spending.reserve('text-embedding-3-large', 4_000), 1_000);
  settled(spending.reserve(small, 4_000), 'none');
  expect(spending.view()).toEqual({
    usd: (900 * 0.02 + 1_000 * 0.13) / 1e6,
    tokens: 1_900,
    estimated: 0,
    refused: 0,
    exceeded: false,
    unpriced: [],
  });
});

test('what may have been billed is counted by its bytes', () => {
  const spending = createSpending({ maxCostUsd: 1 });
  settled(spending.reserve(small, 4_000), 'unknown');
  expect(spending.view()).toMatchObject({ tokens: 1_000, estimated: 1 });
});

test('requests in flight count against the limit, and come back when they cost less', () => {
  const spending = createSpending({ maxCostUsd: 1 });
  const first = spending.reserve(small, bytesFor(0.6));
  const other = createSpending({ maxCostUsd: 1 });
  other.reserve(small, bytesFor(0.6));
  expect(other.reserve(small, bytesFor(0.6))).toHaveProperty('refusal');
  settled(first, 10);
  expect(spending.reserve(small, bytesFor(0.6))).not.toHaveProperty('refusal');
});

test('after one refusal nothing passes any more', () => {
  const spending = createSpending({ maxCostUsd: 0.01 });
  const asked = spending.reserve(small, bytesFor(0.02));
  expect(asked).toMatchObject({ refusal: expect.stringContaining('--max-cost 0.01 is reached') });
  expect(spending.reserve(small, 4)).toHaveProperty('refusal');
  expect(spending.view()).toMatchObject({ exceeded: true, refused: 2, usd: 0 });
  expect(spending.view().refusal).toBe((asked as { refusal: string }).refusal);
});

test('a model without a price passes only where no limit has to be kept, or where the user names the price', () => {
  const refusal = { refusal: expect.stringContaining('no price of the model "my-model"') };
  expect(createSpending({ maxCostUsd: 1 }).reserve('my-model', 4)).toMatchObject(refusal);
  expect(createSpending({ maxCostUsd: 1 }).reserve(undefined, 4)).toHaveProperty('refusal');
  const free = createSpending({});
  settled(free.reserve('my-model', 4_000), 1_000);
  expect(free.view()).toMatchObject({ usd: 0, tokens: 1_000, unpriced: ['my-model'] });
  const named = createSpending({ maxCostUsd: 1, usdPerMillionTokens: 3 });
  settled(named.reserve('my-model', 4_000), 1_000);
  expect(named.view()).toMatchObject({ usd: 0.003, unpriced: [] });
});

test('texts with more tokens than the rule says are expected to go on so', () => {
  const spending = createSpending({ maxCostUsd: 1 });
  settled(spending.reserve(small, 1_000), 500);
  // Twice as many tokens as bytes / 4: half of the bytes are enough to reach the limit.
  expect(spending.reserve(small, bytesFor(0.55))).toHaveProperty('refusal');
});

test('where answers cost no more than expected, the limit is never passed', () => {
  const request = fc.record({
    bytes: fc.integer({ min: 1, max: 2_000_000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    after: fc.nat(5),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
      const spending = createSpending({ maxCostUsd: 0.02 });
      const open: (() => void)[] = [];
      for (const { bytes, share, after } of requests) {
        const asked = spending.reserve(small, bytes);
        if (!('refusal' in asked)) open.push(() => asked.settle(Math.floor((bytes / 4) * share)));
        for (let at = 0; at < after; at++) open.shift()?.();
      }
      for (const settle of open) settle();
      expect(spending.view().usd).toBeLessThanOrEqual(0.02 + 1e-9);
    }),
  );
});
