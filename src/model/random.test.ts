import { expect, test } from 'vitest';
import { philox4x32, streams, uniform } from './random.ts';

const ones = 0xffffffff;

// The known answers that come with the Random123 library.
test.each([
  {
    name: 'zeros',
    counter: [0, 0, 0, 0],
    key: [0, 0],
    expected: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    name: 'ones',
    counter: [ones, ones, ones, ones],
    key: [ones, ones],
    expected: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    name: 'digits of pi',
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    expected: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
])('philox gives the published numbers for $name', ({ counter, key, expected }) => {
  expect([...philox4x32(Uint32Array.from(counter), key[0]!, key[1]!)]).toEqual(expected);
});

test('uniform numbers lie in (0, 1), evenly', () => {
  const count = 20_000;
  const deciles = new Array<number>(10).fill(0);
  let sum = 0;
  for (let record = 0; record < count; record++) {
    const u = uniform(1, streams.embed, { record, attempt: 0, draw: 0 });
    expect(u > 0 && u < 1).toBe(true);
    deciles[Math.floor(u * 10)]!++;
    sum += u;
  }
  expect(Math.abs(sum / count - 0.5)).toBeLessThan(0.01);
  for (const share of deciles) expect(Math.abs(share / count - 0.1)).toBeLessThan(0.01);
});

test('every part of the key changes the draw, and nothing else does', () => {
  const key = { record: 7, attempt: 1, draw: 2 };
  const draws = [
    uniform(5, streams.embed, key),
    uniform(6, streams.embed, key),
    uniform(5 + 2 ** 32, streams.embed, key),
    uniform(5, streams.upsert, key),
    uniform(5, streams.embed, { ...key, record: 8 }),
    uniform(5, streams.embed, { ...key, attempt: 2 }),
    uniform(5, streams.embed, { ...key, draw: 3 }),
  ];
  expect(new Set(draws).size).toBe(draws.length);
  expect(uniform(5, streams.embed, key)).toBe(draws[0]);
});
