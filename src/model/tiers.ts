import type { Limits } from './limiter.ts';

/** How far a figure can be trusted. */
export type Grade = 'documented' | 'recorded' | 'measured' | 'assumed';
export type Origin = { grade: Grade; source: string; asOf: string };

export type TierName =
  | 'free'
  | 'tier-1'
  | 'tier-2'
  | 'tier-3'
  | 'tier-4'
  | 'tier-5'
  | 'test-plan-tier-1'
  | 'test-plan-tier-2'
  | 'unlimited';

/** A usage tier for OpenAI's embedding models. Limits are per organisation and model. */
export type Tier = { limits: Limits; qualifies: string; origin: Origin };

const published: Origin = {
  grade: 'documented',
  source: 'https://developers.openai.com/api/docs/models/text-embedding-3-large.md',
  asOf: '2026-10-05',
};
const testPlan: Origin = {
  grade: 'assumed',
  source: 'the worker scaling test plan; OpenAI publishes no such tier',
  asOf: '2026-11-01',
};

export const tiers: Record<TierName, Tier> = {
  free: {
    limits: { rpm: 100, rpd: 2_000, tpm: 40_000 },
    qualifies: 'an allowed country',
    origin: published,
  },
  'tier-1': { limits: { rpm: 3_000, tpm: 1_000_000 }, qualifies: '$5 paid', origin: published },
  'tier-2': {
    limits: { rpm: 5_000, tpm: 1_000_000 },
    qualifies: '$50 paid and 7 days since the first payment',
    origin: published,
  },
  'tier-3': {
    limits: { rpm: 5_000, tpm: 5_000_000 },
    qualifies: '$100 paid and 7 days',
    origin: published,
  },
  'tier-4': {
    limits: { rpm: 10_000, tpm: 5_000_000 },
    qualifies: '$250 paid and 14 days',
    origin: published,
  },
  'tier-5': {
    limits: { rpm: 10_000, tpm: 10_000_000 },
    qualifies: '$1,000 paid and 30 days',
    origin: published,
  },
  'test-plan-tier-1': {
    limits: { rpm: 3_000, tpm: 1_000_000 },
    qualifies: 'an assumption: scaling stops at 2 to 3 workers',
    origin: testPlan,
  },
  'test-plan-tier-2': {
    limits: { rpm: 5_000, tpm: 3_400_000 },
    qualifies: 'an assumption: scaling stops at 8 to 10 workers',
    origin: testPlan,
  },
  unlimited: {
    limits: {},
    qualifies: 'no limit at all: a baseline, not a product',
    origin: testPlan,
  },
};

/** The tiers a user can buy, cheapest first. */
export const tierLadder: TierName[] = ['free', 'tier-1', 'tier-2', 'tier-3', 'tier-4', 'tier-5'];
