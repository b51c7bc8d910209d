import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { describe, expect, test } from 'vitest';
import { countUpTo, createTokenCounter, estimatedTokens, mostInputTokens } from './tokens.ts';

const count = createTokenCounter();

// Counts of cl100k_base that others publish, or that follow from its definition.
test.each([
  ['hello world', 2],
  // tiktoken's README and the OpenAI cookbook.
  ['tiktoken is great!', 6],
  // OpenAI cookbook: its comparison of encodings.
  ['antidisestablishmentarianism', 6],
  ['2 + 2 = 4', 7],
  ['お誕生日おめでとう', 9],
  // Digits are cut in threes.
  ['123456789', 3],
  [' ', 1],
  [' '.repeat(128), 1],
  ['a', 1],
])('%j is %d tokens', (text, tokens) => {
  expect(count(text)).toBe(tokens);
  // From the cache too.
  expect(count(text)).toBe(tokens);
});

test.each(['<|endoftext|>', '<|fim_prefix|> and <|endofprompt|>'])('%j is plain text', (text) => {
  expect(count(text)).toBeGreaterThan(5);
});

test('an estimate is the charge less a ninth', () => {
  expect([1, 444, 2_000].map(estimatedTokens)).toEqual([1, 100, 450]);
});

describe('a limit', () => {
  test.each([
    [8_192, 8_192],
    [8_193, Infinity],
  ])('%d tokens are counted as %d', (tokens, counted) => {
    expect(count('hello'.concat(' world'.repeat(tokens - 1)))).toBe(counted);
  });

  test('is found out without counting where no tokens are long enough', () => {
    expect(count('x'.repeat(mostInputTokens * 128 + 1))).toBe(Infinity);
  });
});

describe('a long run', () => {
  const letters = (length: number) => {
    let text = '';
    for (let at = 0, state = 7; at < length; at++) {
      state = (state * 48_271) % 2_147_483_647;
      text += String.fromCharCode(97 + (state % 26));
    }
    return text;
  };

  test.each([
    ['one letter', 'a'.repeat(100_000), 12_500],
    ['one sign', '!'.repeat(60_000), 7_500],
    ['spaces', ' '.repeat(128_000), 1_000],
  ])('of %s takes milliseconds and is exact', (_, text, tokens) => {
    const began = performance.now();
    expect(countUpTo(text, 1_000_000)).toBe(tokens);
    // Uncut, it took seconds; the bound leaves room for a busy machine.
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test('of different letters is within half a percent', () => {
    const text = letters(6_000);
    expect(Math.abs(countUpTo(text, 1_000_000) / countTokens(text) - 1)).toBeLessThan(0.005);
  });

  test('that is no longer than a part is not cut', () => {
    const text = letters(512);
    expect(countUpTo(text, 1_000_000)).toBe(countTokens(text));
  });
});
