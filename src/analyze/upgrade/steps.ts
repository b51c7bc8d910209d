/** What can be bought or set for a lab, one thing at a time, and what each asks for. */
import { type Lab, labProblem } from '../../model/lab.ts';
import { type PlanName, plans } from '../../model/plans.ts';
import { planPrices, tierPrices } from '../../model/prices.ts';
import { type Origin, type TierName, tierLadder, tiers } from '../../model/tiers.ts';
import { createWorkload } from '../../model/workload.ts';
import { exactly } from '../wording.ts';

export type StepKind = 'openai' | 'qdrant' | 'memory' | 'cores' | 'pool' | 'batch';

/** Steps that cost nothing: settings of the pipeline itself. */
export const isSetting = ({ kind }: Pick<Step, 'kind'>): boolean =>
  kind === 'pool' || kind === 'batch';

/** What a step asks for. A sum that nobody publishes is absent and `isKnown` false. */
export type StepPrice = {
  isKnown: boolean;
  /** To have been paid to OpenAI in advance, in all. */
  paidUsd?: number;
  /** Of it, beyond what the present tier asks for; it pays for tokens later. */
  prepaidUsd?: number;
  /** Days since the first payment to OpenAI, in all. */
  waitingDays?: number;
  /** Of them, how many may still be to come for somebody who is in the present tier. */
  remainingDays?: number;
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

type LimitName = keyof Lab['openai']['limits'];
const limitNames: LimitName[] = ['rpm', 'tpm', 'rpd'];

/** The tier on sale that a tier stands for: the test plan's own stand where their numbers do. */
const soldAs = (tier: TierName) => tier.replace('test-plan-', '') as TierName;

/** Limits of the lab that a tier would lower. A limit that is absent is none. */
const loweredBy = ({ openai: { limits } }: Lab, tier: TierName): LimitName[] =>
  limitNames.filter((name) => (tiers[tier].limits[name] ?? Infinity) < (limits[name] ?? Infinity));

/** The tiers above the lab's. */
const tiersAbove = ({ openai: { tier } }: Lab): TierName[] =>
  tier === 'unlimited' ? [] : tierLadder.slice(tierLadder.indexOf(soldAs(tier)) + 1);

const planLadder: PlanName[] = ['free', 'starter', 'standard-2', 'standard-4', 'standard-16'];

const plansAbove = (plan: PlanName): PlanName[] =>
  plan === 'unlimited' ? [] : planLadder.slice(planLadder.indexOf(plan) + 1);

/** Figures of the database that a plan fills in where the lab is silent. */
const planFigures = [
  'latency',
  'slots',
  'pointsPerSecond',
  'indexPointsPerSecond',
  'memoryPoints',
] as const;

/** Of them, those that are the lab's own: they hold at every plan, as they do with --plan. */
const ownFigures = ({ qdrant }: Lab) =>
  planFigures.filter(
    (name) => JSON.stringify(qdrant[name]) !== JSON.stringify(plans[qdrant.plan][name]),
  );

/** `RPM 3,000 → 5,000, TPM stays 1,000,000`. */
function limitChanges(before: Lab['openai']['limits'], after: Lab['openai']['limits']): string {
  return limitNames
    .flatMap((name) => {
      const [from, to] = [before[name], after[name]];
      const label = name.toUpperCase();
      if (from === undefined && to === undefined) return [];
      if (from === to) return [`${label} stays ${exactly(to!)}`];
      const text = (value: number | undefined) => (value === undefined ? 'none' : exactly(value));
      return [`${label} ${text(from)} → ${text(to)}`];
    })
    .join(', ');
}

function tierStep(lab: Lab, tier: TierName): Step {
  const { limits } = tiers[tier];
  const price = tierPrices[tier];
  const had = tierPrices[soldAs(lab.openai.tier)];
  return {
    kind: 'openai',
    name: tier,
    change: (given) => ({ ...given, openai: { ...given.openai, tier, limits: { ...limits } } }),
    price: price
      ? {
          isKnown: true,
          paidUsd: price.paidUsd,
          prepaidUsd: Math.max(0, price.paidUsd - (had?.paidUsd ?? 0)),
          waitingDays: price.waitingDays,
          remainingDays: Math.max(0, price.waitingDays - (had?.waitingDays ?? 0)),
          origin: price.origin,
        }
      : { isKnown: false },
    what: limitChanges(lab.openai.limits, limits),
  };
}

function planStep(lab: Lab, name: PlanName): Step {
  const plan = plans[name];
  const price = planPrices[name];
  const own = ownFigures(lab);
  const figures = Object.fromEntries(
    planFigures.filter((figure) => !own.includes(figure)).map((figure) => [figure, plan[figure]]),
  );
  return {
    kind: 'qdrant',
    name,
    change: (given) => ({ ...given, qdrant: { ...given.qdrant, ...figures, plan: name } }),
    price: price
      ? { isKnown: true, usdPerHour: price.usdPerHour, origin: price.origin }
      : { isKnown: false },
    what: `${plan.machine}; what it bears is assumed`,
  };
}

/** OpenAI takes no more than so many tokens in one embeddings request [source: openai-openapi, openapi.yaml]. */
const mostTokensInRequest = 300_000;

const countOf = (count: number, noun: string): string =>
  `${exactly(count)} ${noun}${count === 1 ? '' : 's'}`;

const withBatch = (given: Lab, batchSize: number, recordsPerClaim: number): Lab => ({
  ...given,
  workload: { ...given.workload, batchSize, recordsPerClaim },
});

/** Claims so small that every worker of the matrix gets one, where now there are too few of them. */
function claimSteps(lab: Lab): Step[] {
  const { batchSize, records, recordsPerClaim } = lab.workload;
  const most = Math.max(...lab.workers);
  const claim = Math.max(1, Math.floor(records / most));
  if (createWorkload(lab.workload).claims >= most || claim >= recordsPerClaim) return [];
  const change = (given: Lab) => withBatch(given, batchSize, claim);
  const { claims } = createWorkload(change(lab).workload);
  return [
    {
      kind: 'batch',
      name: `batch ${batchSize}, claim ${claim}`,
      change,
      price: free,
      what: `a worker takes ${countOf(claim, 'record')} at a time: ${countOf(claims, 'claim')} for ${countOf(most, 'worker')}`,
    },
  ];
}

function batchSteps(lab: Lab): Step[] {
  const { batchSize, chunksPerRecord, bytesPerChunk, recordsPerClaim } = lab.workload;
  const step = (size: number): Step[] => {
    const claim = Math.max(recordsPerClaim, Math.floor(size / chunksPerRecord));
    const change = (given: Lab) => withBatch(given, size, claim);
    const isNew = size > batchSize || claim > recordsPerClaim;
    const fits = size <= 2_048 && (size * bytesPerChunk) / 4 <= mostTokensInRequest;
    if (!isNew || !fits || labProblem(change(lab)) !== undefined) return [];
    return [
      {
        kind: 'batch',
        name: `batch ${size}, claim ${claim}`,
        change,
        price: free,
        what: `up to ${countOf(size, 'input')} a request; a worker takes ${countOf(claim, 'record')} at a time to fill it`,
      },
    ];
  };
  return [1, 2, 4].flatMap((times) => step(batchSize * times));
}

/** Twice and four times of what the host has; nobody here knows what it costs. */
const hostSteps = (
  { host }: Lab,
  kind: 'memory' | 'cores',
  field: 'memoryGb' | 'cores',
  nameOf: (amount: number) => string,
): Step[] =>
  [2, 4].map((times) => ({
    kind,
    name: nameOf(host[field] * times),
    change: (given) => ({ ...given, host: { ...given.host, [field]: host[field] * times } }),
    price: { isKnown: false },
    what: `${times} times the ${kind} of the host`,
  }));

/** Every single step from here, in the order of the ladder: each dimension from small to large. */
export function stepsFor(lab: Lab): Step[] {
  const { cores } = lab.host;
  const { poolSize } = lab.mysql;
  return [
    ...tiersAbove(lab)
      .filter((tier) => loweredBy(lab, tier).length === 0)
      .map((tier) => tierStep(lab, tier)),
    ...plansAbove(lab.qdrant.plan).map((plan) => planStep(lab, plan)),
    ...hostSteps(lab, 'memory', 'memoryGb', (memoryGb) => `${memoryGb} GiB`),
    // With a core for each worker nobody waits for one.
    ...(cores < Math.max(...lab.workers)
      ? hostSteps(lab, 'cores', 'cores', (count) => `${count} cores`)
      : []),
    {
      kind: 'pool',
      name: `pool ${poolSize * 2}`,
      change: (given) => ({ ...given, mysql: { poolSize: poolSize * 2 } }),
      price: free,
      what: 'MYSQL_POOL_SIZE doubled',
    },
    ...claimSteps(lab),
    ...batchSteps(lab),
  ];
}

/** What the steps do with figures that the lab sets itself, a sentence each. */
export function stepNotes(lab: Lab): string[] {
  const { limits, tier } = lab.openai;
  const lowering = tiersAbove(lab).flatMap((name) =>
    loweredBy(lab, name).map(
      (limit) =>
        `${name} is left out: its ${limit.toUpperCase()} of ${exactly(tiers[name].limits[limit]!)} is less than the ${exactly(limits[limit]!)} that the lab has now.`,
    ),
  );
  const lower = limitNames.filter(
    (name) => (limits[name] ?? Infinity) < (tiers[tier].limits[name] ?? Infinity),
  );
  const ownLimits = tiersAbove(lab).length > 0 ? lower : [];
  const own = plansAbove(lab.qdrant.plan).length > 0 ? ownFigures(lab) : [];
  return [
    ...lowering,
    ...ownLimits.map(
      (name) =>
        `openai.limits.${name} is the lab's own, ${exactly(limits[name]!)}; the rows of tiers have the published limits instead.`,
    ),
    ...(own.length > 0
      ? [
          `${own.map((name) => `qdrant.${name}`).join(', ')}: the lab's own, so every plan's row keeps ${own.length === 1 ? 'it' : 'them'}. What another plan does to ${own.length === 1 ? 'it' : 'them'} has to be measured there.`,
        ]
      : []),
  ];
}
