import { expect, test } from 'vitest';
import { embeddingPrice, planPrices, tierPrices } from './prices.ts';
import { tierLadder, tiers } from './tiers.ts';

test("the prices are OpenAI's, with where and when they were read", () => {
  const dollars = (model: string) => embeddingPrice(model)?.usdPerMillionTokens;
  expect(dollars('text-embedding-3-small')).toBe(0.02);
  expect(dollars('text-embedding-3-large')).toBe(0.13);
  expect(dollars('text-embedding-ada-002')).toBe(0.1);
  // Not a model, though every object has it.
  for (const unknown of ['my-model', '', 'toString'])
    expect(embeddingPrice(unknown)).toBeUndefined();
  const origins = [
    embeddingPrice('text-embedding-3-small')!,
    embeddingPrice('text-embedding-ada-002')!,
    ...Object.values(tierPrices),
    ...Object.values(planPrices),
  ].map(({ origin }) => origin);
  for (const { grade, source, asOf } of origins) {
    expect(grade).not.toBe('assumed');
    expect(source.length).toBeGreaterThan(10);
    expect(asOf).toMatch(/^20\d\d(-\d\d){0,2}$/);
  }
});

test('what a tier asks for is what the sheet of tiers says in words, and rises', () => {
  let before = -1;
  for (const name of tierLadder) {
    const price = tierPrices[name]!;
    expect(price.paidUsd).toBeGreaterThan(before);
    before = price.paidUsd;
    const words = tiers[name].qualifies;
    if (price.paidUsd > 0)
      expect(words).toContain(`$${price.paidUsd.toLocaleString('en-US')} paid`);
    if (price.waitingDays > 0) expect(words).toContain(`${price.waitingDays} days`);
    else expect(words).not.toContain('days');
  }
});

test('what nobody sells has no price', () => {
  expect(tierPrices.unlimited).toBeUndefined();
  expect(tierPrices['test-plan-tier-2']).toBeUndefined();
  expect(planPrices.unlimited).toBeUndefined();
});
