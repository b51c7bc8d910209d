/** What OpenAI and Qdrant charge, as far as it is published. What is not known is absent, never guessed. */
import type { PlanName } from './plans.ts';
import type { Origin, TierName } from './tiers.ts';

/** What an embedding model costs. OpenAI bills real tokens (`usage`), not what the rate limit is charged. */
export type EmbeddingPrice = { usdPerMillionTokens: number; origin: Origin };

const modelPage = (model: string): Origin => ({
  grade: 'documented',
  source: `https://developers.openai.com/api/docs/models/${model}`,
  asOf: '2026',
});

const embeddingPrices = new Map<string, EmbeddingPrice>([
  [
    'text-embedding-3-small',
    { usdPerMillionTokens: 0.02, origin: modelPage('text-embedding-3-small') },
  ],
  [
    'text-embedding-3-large',
    { usdPerMillionTokens: 0.13, origin: modelPage('text-embedding-3-large') },
  ],
  [
    'text-embedding-ada-002',
    {
      usdPerMillionTokens: 0.1,
      origin: {
        grade: 'documented',
        source: "OpenAI's guide to the Batch API: $0.05 in a batch, which is half the price",
        asOf: '2026-10-04',
      },
    },
  ],
]);

/** The published price of a model, undefined where none is known. */
export const embeddingPrice = (model: string): EmbeddingPrice | undefined =>
  embeddingPrices.get(model);

/** What one must have paid OpenAI in advance, and how many days before, to be in a tier. */
export type TierPrice = {
  paidUsd: number;
  /** Days since the first payment; 0 where none are asked for. */
  waitingDays: number;
  /** What one may spend in a month. */
  monthlyUsd: number;
  origin: Origin;
};

// Copies of the guide from September 2026 list the amounts without the days: they may be gone.
const rateLimitGuide: Origin = {
  grade: 'documented',
  source:
    'https://developers.openai.com/api/docs/guides/rate-limits; copies since 2026-09 name no days',
  asOf: '2026',
};

const tierPrice = (paidUsd: number, waitingDays: number, monthlyUsd: number): TierPrice => ({
  paidUsd,
  waitingDays,
  monthlyUsd,
  origin: rateLimitGuide,
});

/** By tier; a tier that nobody sells is absent. */
export const tierPrices: { readonly [name in TierName]?: TierPrice } = {
  free: tierPrice(0, 0, 100),
  'tier-1': tierPrice(5, 0, 100),
  'tier-2': tierPrice(50, 7, 500),
  'tier-3': tierPrice(100, 7, 1_000),
  'tier-4': tierPrice(250, 14, 5_000),
  'tier-5': tierPrice(1_000, 30, 200_000),
};

export type PlanPrice = { usdPerHour: number; origin: Origin };

// Qdrant publishes a calculator and no table. These are what a public benchmark paid or read there.
const benchmarked = (asOf: string): Origin => ({
  grade: 'recorded',
  source: 'zilliztech/VectorDBBench, results/dbPrices.json; Qdrant publishes no table',
  asOf,
});

/** By plan, for a machine of its size; a plan of which no price was found is absent. */
export const planPrices: { readonly [name in PlanName]?: PlanPrice } = {
  free: {
    usdPerHour: 0,
    origin: {
      grade: 'documented',
      source: "Qdrant's documentation, cloud/create-cluster",
      asOf: '2026',
    },
  },
  starter: { usdPerHour: 0.052, origin: benchmarked('2023') },
  'standard-2': { usdPerHour: 0.166, origin: benchmarked('2023') },
  'standard-4': { usdPerHour: 0.2852, origin: benchmarked('2023') },
  'standard-16': { usdPerHour: 1.14, origin: benchmarked('2025-06') },
};
