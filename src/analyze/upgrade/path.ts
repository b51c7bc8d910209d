/** The cheapest set of upgrades that meets a deadline: all combinations are tried. */
import type { Lab } from '../../model/lab.ts';
import { planPrices } from '../../model/prices.ts';
import { demandSeconds } from '../../model/services.ts';
import { createWorkload } from '../../model/workload.ts';
import { leastEfficiency, memoryShare } from '../diagnosis/ladder.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Forecast } from './steady-state.ts';
import { type Step, type StepKind, stepsFor } from './steps.ts';

export type PathStep = {
  step: Step;
  /** What the path is without this step: why it is in it. */
  without: Outcome;
};

export type Path = {
  deadlineSeconds: number;
  records: number;
  /** Absent where no combination meets the deadline. */
  steps?: PathStep[];
  /** With the path, or with the fastest combination where none meets the deadline. */
  outcome: Outcome;
  /** The fastest combination, where none meets the deadline. */
  fastest?: Step[];
  /** How many combinations were tried. */
  combinations: number;
  /** What is known of the cost: prepaid amounts and the plan's hours. */
  usd: number;
  waitingDays: number;
  /** Steps of which no price is known. */
  unpriced: string[];
};

type Combination = { steps: Step[]; lab: Lab; seconds: number };

/** Timeouts that the tail of a latency brings in some thousand upserts, however few workers there are. */
const rareTimeouts = 8;

/** The most workers that run well in the long run, as the verdict counts them; by bisection. */
function workersFor(lab: Lab, records: number, forecast: Forecast): number {
  const { workload, openai, worker, host } = lab;
  const demand = demandSeconds(lab).total;
  const plan = createWorkload({ ...workload, records });
  const requests = plan.batches(plan.claim(0)) / plan.claim(0).records;
  const tokens = (workload.chunksPerRecord * workload.bytesPerChunk) / 4;
  const { rpm = Infinity, tpm = Infinity } = openai.limits;
  const roomMb = memoryShare * host.memoryGb * 1_024 - worker.baseMemoryMb;
  const bound = Math.min(
    Math.max(...lab.workers),
    (rpm / 60 / requests) * demand + 1e-9,
    (tpm / 60 / tokens) * demand + 1e-9,
    worker.memoryMb > 0 ? roomMb / worker.memoryMb : Infinity,
    plan.claims,
  );
  const runsWell = (workers: number) => {
    const { perSecond, timeouts } = forecast.unlimited(lab, workers);
    return timeouts <= rareTimeouts && (perSecond * demand) / workers >= leastEfficiency;
  };
  let [good, bad] = [1, Math.max(1, Math.floor(bound)) + 1];
  if (bad === 2 || runsWell(bad - 1)) return bad - 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (runsWell(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** Dimensions that can matter at all for so many workers; the others would only multiply the search. */
function canMatter(lab: Lab, kind: StepKind): boolean {
  const most = Math.max(...lab.workers);
  const { host, worker, mysql } = lab;
  const demand = demandSeconds(lab);
  if (kind === 'memory')
    return worker.baseMemoryMb + most * worker.memoryMb > memoryShare * host.memoryGb * 1_024;
  if (kind === 'pool') return most * demand.read > (mysql.poolSize * demand.total) / 2;
  return true;
}

/** What a set of steps costs, as far as it is known. */
function costOfSteps(lab: Lab, steps: Step[], seconds: number) {
  const sum = (of: (step: Step) => number | undefined) =>
    steps.reduce((total, step) => total + (of(step) ?? 0), 0);
  const hours = Math.ceil(seconds / 3_600);
  const perHour = steps.some(({ kind }) => kind === 'qdrant')
    ? sum(({ price }) => price.usdPerHour)
    : (planPrices[lab.qdrant.plan]?.usdPerHour ?? 0);
  return {
    usd: sum(({ price }) => price.prepaidUsd) + perHour * hours,
    waitingDays: Math.max(0, ...steps.map(({ price }) => price.waitingDays ?? 0)),
    unpriced: steps.filter(({ price }) => !price.isKnown).map(({ name }) => name),
  };
}

/**
 * Searches every combination of tier, plan, memory, pool and batch. Fewest unpriced steps first, then
 * least money, days and steps: an unknown sum can't be called cheap.
 */
export function cheapestPath(
  given: Lab,
  records: number,
  deadlineSeconds: number,
  forecast: Forecast,
): Path {
  const byKind = new Map<StepKind, Step[]>();
  for (const step of stepsFor(given))
    if (canMatter(given, step.kind))
      byKind.set(step.kind, [...(byKind.get(step.kind) ?? []), step]);
  let sets: Step[][] = [[]];
  for (const steps of byKind.values())
    sets = sets.flatMap((set) => [set, ...steps.map((step) => [...set, step])]);

  const labWith = (steps: Step[]) => steps.reduce((lab, { change }) => change(lab), given);
  const combinations = sets.map((steps): Combination => {
    const changed = labWith(steps);
    const { seconds } = forecast.runTime(changed, workersFor(changed, records, forecast), records);
    return { steps, lab: changed, seconds: seconds ?? Infinity };
  });
  const rank = ({ steps, seconds }: Combination) => {
    const { usd, waitingDays, unpriced } = costOfSteps(given, steps, seconds);
    return [unpriced.length, usd, waitingDays, steps.length, seconds];
  };
  const before = (a: number[], b: number[]): number => {
    const at = a.findIndex((value, index) => value !== b[index]);
    return at < 0 ? 0 : a[at]! - b[at]!;
  };
  const usdPerHour = (steps: Step[]) =>
    steps.find(({ kind }) => kind === 'qdrant')?.price.usdPerHour ??
    planPrices[given.qdrant.plan]?.usdPerHour;
  const outcome = (steps: Step[]) =>
    outcomeOf(labWith(steps), records, forecast, usdPerHour(steps));

  const inTime = combinations
    .filter(({ seconds }) => seconds <= deadlineSeconds)
    .map((combination) => ({ combination, order: rank(combination) }))
    .sort((a, b) => before(a.order, b.order));
  for (const { combination } of inTime) {
    // The verdict has the last word: it may allow fewer workers than the long run alone would.
    const reached = outcome(combination.steps);
    if (reached.seconds === null || reached.seconds > deadlineSeconds) continue;
    const steps = combination.steps.map((step) => ({
      step,
      without: outcome(combination.steps.filter((other) => other !== step)),
    }));
    return {
      deadlineSeconds,
      records,
      steps,
      outcome: reached,
      combinations: sets.length,
      ...costOfSteps(given, combination.steps, reached.seconds),
    };
  }
  const fastest = combinations.reduce((a, b) => (b.seconds < a.seconds * 0.99 ? b : a));
  const reached = outcome(fastest.steps);
  return {
    deadlineSeconds,
    records,
    outcome: reached,
    fastest: fastest.steps,
    combinations: sets.length,
    ...costOfSteps(given, fastest.steps, reached.seconds ?? 0),
  };
}
