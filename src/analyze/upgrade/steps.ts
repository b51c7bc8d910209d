/** What can be bought or set for a lab, one thing at a time, and what each asks for. */
import { type Lab, labProblem } from '../../model/lab.ts';
import { type PlanName, plans } from '../../model/plans.ts';
import { planPrices, tierPrices } from '../../model/prices.ts';
import { type Origin, type TierName, tierLadder, tiers } from '../../model/tiers.ts';

export type StepKind = 'openai' | 'qdrant' | 'memory' | 'pool' | 'batch';

/** What a step asks for. A sum that nobody publishes is absent and `isKnown` false. */
export type StepPrice = {
  isKnown: boolean;
  /** To have been paid to OpenAI in advance, in all. */
  paidUsd?: number;
  /** Of it, beyond what the present tier asks for; it pays for tokens later. */
  prepaidUsd?: number;
  /** Days since the first payment to OpenAI. */
  waitingDays?: number;
  usdPerHour?: number;
  origin?: Origin;
};

/** One change of a lab. */
export type Step = {
  kind: StepKind;
  /** `tier-3`, `standard-2`, `128 GiB`, `pool 100`, `batch 100, claim 12`. */
  name: string;
  change: (lab: Lab) => Lab;
  price: StepPrice;
  /** What it changes, in words. */
  what: string;
};

const free: StepPrice = { isKnown: true };

/** The tiers above this one. The test plan's own stand where their numbers do. */
const tiersAbove = (tier: TierName): TierName[] =>
  tier === 'unlimited'
    ? []
    : tierLadder.slice(tierLadder.indexOf(tier.replace('test-plan-', '') as TierName) + 1);

const planLadder: PlanName[] = ['free', 'starter', 'standard-2', 'standard-4', 'standard-16'];

const plansAbove = (plan: PlanName): PlanName[] =>
  plan === 'unlimited' ? [] : planLadder.slice(planLadder.indexOf(plan) + 1);

const thousands = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** `RPM 3,000 → 5,000, TPM stays 1,000,000`. */
function limitChanges(before: Lab['openai']['limits'], after: Lab['openai']['limits']): string {
  return (['rpm', 'tpm', 'rpd'] as const)
    .flatMap((name) => {
      const [from, to] = [before[name], after[name]];
      const label = name.toUpperCase();
      if (from === undefined && to === undefined) return [];
      if (from === to) return [`${label} stays ${thousands(to!)}`];
      const text = (value: number | undefined) => (value === undefined ? 'none' : thousands(value));
      return [`${label} ${text(from)} → ${text(to)}`];
    })
    .join(', ');
}

function tierStep(lab: Lab, tier: TierName): Step {
  const { limits } = tiers[tier];
  const price = tierPrices[tier];
  const had = tierPrices[lab.openai.tier.replace('test-plan-', '') as TierName];
  return {
    kind: 'openai',
    name: tier,
    change: (given) => ({ ...given, openai: { ...given.openai, tier, limits: { ...limits } } }),
    price: price
      ? {
          isKnown: true,
          paidUsd: price.paidUsd,
          prepaidUsd: Math.max(0, price.paidUsd - (had?.paidUsd ?? 0)),
          waitingDays: Math.max(0, price.waitingDays - (had?.waitingDays ?? 0)),
          origin: price.origin,
        }
      : { isKnown: false },
    what: limitChanges(lab.openai.limits, limits),
  };
}

function planStep(name: PlanName): Step {
  const { latency, slots, pointsPerSecond, indexPointsPerSecond, memoryPoints, machine } =
    plans[name];
  const price = planPrices[name];
  return {
    kind: 'qdrant',
    name,
    change: (given) => ({
      ...given,
      qdrant: {
        ...given.qdrant,
        plan: name,
        latency,
        slots,
        pointsPerSecond,
        indexPointsPerSecond,
        memoryPoints,
      },
    }),
    price: price
      ? { isKnown: true, usdPerHour: price.usdPerHour, origin: price.origin }
      : { isKnown: false },
    what: `${machine} (what it bears is assumed)`,
  };
}

/** OpenAI takes no more than so many tokens in one embeddings request [source: openai-openapi, openapi.yaml]. */
const mostTokensInRequest = 300_000;

function batchSteps(lab: Lab): Step[] {
  const { batchSize, chunksPerRecord, bytesPerChunk, recordsPerClaim } = lab.workload;
  const step = (size: number): Step[] => {
    const claim = Math.max(recordsPerClaim, Math.floor(size / chunksPerRecord));
    const change = (given: Lab): Lab => ({
      ...given,
      workload: { ...given.workload, batchSize: size, recordsPerClaim: claim },
    });
    const isNew = size > batchSize || claim > recordsPerClaim;
    const fits = size <= 2_048 && (size * bytesPerChunk) / 4 <= mostTokensInRequest;
    if (!isNew || !fits || labProblem(change(lab)) !== undefined) return [];
    return [
      {
        kind: 'batch',
        name: `batch ${size}, claim ${claim}`,
        change,
        price: free,
        what: `${size} inputs a request; a worker takes ${claim} records at a time, which fill it`,
      },
    ];
  };
  return [1, 2, 4].flatMap((times) => step(batchSize * times));
}

/** Every single step from here, in the order of the ladder: each dimension from small to large. */
export function stepsFor(lab: Lab): Step[] {
  const { memoryGb } = lab.host;
  const { poolSize } = lab.mysql;
  return [
    ...tiersAbove(lab.openai.tier).map((tier) => tierStep(lab, tier)),
    ...plansAbove(lab.qdrant.plan).map(planStep),
    ...[2, 4].map(
      (times): Step => ({
        kind: 'memory',
        name: `${memoryGb * times} GiB`,
        change: (given) => ({ ...given, host: { ...given.host, memoryGb: memoryGb * times } }),
        price: { isKnown: false },
        what: `${times} times the memory of the host`,
      }),
    ),
    {
      kind: 'pool',
      name: `pool ${poolSize * 2}`,
      change: (given) => ({ ...given, mysql: { poolSize: poolSize * 2 } }),
      price: free,
      what: 'MYSQL_POOL_SIZE doubled',
    },
    ...batchSteps(lab),
  ];
}
