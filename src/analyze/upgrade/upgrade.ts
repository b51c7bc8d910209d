/** The ladder: what each single upgrade gains, asks for, and what binds after it. Pure. */
import type { Lab } from '../../model/lab.ts';
import { planPrices } from '../../model/prices.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import { simulateSweep } from '../analyze.ts';
import { creditsOf } from '../diagnosis/burst.ts';
import { memoryShare } from '../diagnosis/ladder.ts';
import { labDemand } from '../diagnosis/observations.ts';
import { costOf } from './cost.ts';
import { createForecast, type Forecast } from './steady-state.ts';
import { isSetting, type Step, stepNotes, stepsFor } from './steps.ts';

/** What a lab does with so many records, at the workers that are recommended for it. */
export type Outcome = {
  records: number;
  recommendedWorkers: number;
  knee: number | null;
  bottleneck: Bottleneck;
  nextBottleneck: Bottleneck;
  /** Null where the run can't end; `problem` says why. */
  seconds: number | null;
  by: 'simulation' | 'extrapolation';
  lostShare: number;
  problem?: string;
  /** Why what binds can't be told, and what would tell it; only where it is undetermined. */
  doubt?: string;
  /** Whether so few records don't drain a bucket that starts full: production will be slower. */
  isPilot: boolean;
  /** Embedding tokens at the published price; absent where no price of the model is known. */
  tokensUsd?: number;
  /** The plan for the hours that the run takes, begun hours whole; absent where no price is known. */
  planUsd?: number;
};

export type Row = {
  /** Absent in the first row: the lab as it is. */
  step?: Step;
  atLab: Outcome;
  atTarget?: Outcome;
  /** How many times as fast as now, at the target where there is one; null where one of both can't end. */
  gain: number | null;
  /** Neither sooner done than now, nor room for more workers; or records are lost that now are not. */
  gainsNothing: boolean;
  /** The smaller step of its kind that takes the same time, within 1 %, and has as much room. */
  sameAs?: string;
};

export type Ladder = {
  lab: Lab;
  targetRecords?: number;
  rows: Row[];
  /** What the steps do with figures that the lab sets itself, a sentence each. */
  notes: string[];
};

/** What a row is judged by: the target where there is one. */
export const toldOf = ({ atLab, atTarget }: Pick<Row, 'atLab' | 'atTarget'>): Outcome =>
  atTarget ?? atLab;

/** Gains up to this are noise of latencies, not of a limit. */
export const worthwhile = 1.01;

const provenance = { kneepoint: '', node: '', labHash: '' };

/**
 * Records that show what binds, in a few rounds of all workers and as many as the lab has up to a thousand
 * claims: the rest of a large run is more of the same.
 */
export function tellingRecords(lab: Lab, records: number): number {
  const { records: own, recordsPerClaim } = lab.workload;
  const rounds = 5 * Math.max(...lab.workers) * recordsPerClaim;
  return Math.min(records, Math.max(rounds, Math.min(own, 1_000 * recordsPerClaim)));
}

/** Worker counts so many times over the knee of a per-minute limit are in nothing but a storm of 429s. */
const storm = { timesKnee: 3, fewestWorkers: 5 };

/**
 * The counts of the matrix that a verdict rests on. Storms cost most of all to simulate, hundreds of
 * thousands of requests for a hundred records, and all say what the largest says: it alone is kept.
 */
export function tellingWorkers(lab: Lab): number[] {
  const demand = labDemand(lab);
  const knees = creditsOf(lab, demand)
    .filter(({ resource }) => resource !== 'openai-rpd')
    .map(({ perSecond, perRecord }) => (perSecond / perRecord) * demand.total);
  const most = Math.max(storm.fewestWorkers, storm.timesKnee * Math.min(...knees));
  return lab.workers.filter((count) => count <= most || count === lab.workers.at(-1));
}

/** Judges a lab at a number of records. `usdPerHour` is the plan's, where it is known. */
export function outcomeOf(
  lab: Lab,
  records: number,
  forecast: Forecast,
  usdPerHour?: number,
): Outcome {
  const { verdict, warnings } = simulateSweep(
    {
      ...lab,
      workers: tellingWorkers(lab),
      workload: { ...lab.workload, records: tellingRecords(lab, records) },
    },
    provenance,
  );
  const { recommendedWorkers, knee, bottleneck, nextBottleneck } = verdict;
  const run = forecast.runTime(lab, recommendedWorkers, records);
  const { chunksPerRecord, bytesPerChunk } = lab.workload;
  const tokens = (records * chunksPerRecord * bytesPerChunk) / 4;
  const tokensCost = costOf({ tokens, model: lab.openai.model });
  const daily = run.emptied.includes('rpd');
  return {
    records,
    recommendedWorkers,
    knee,
    bottleneck: daily ? 'openai-rpd' : bottleneck,
    nextBottleneck: daily ? bottleneck : nextBottleneck,
    seconds: run.seconds ?? null,
    by: run.by,
    lostShare: run.lostShare,
    isPilot:
      run.by === 'simulation' && warnings.some(({ code }) => code === 'bucket-never-drained'),
    ...(run.problem !== undefined && { problem: run.problem }),
    ...(bottleneck === 'undetermined' &&
      warnings[0] && { doubt: `${warnings[0].message} ${warnings[0].remedy}` }),
    ...(tokensCost && { tokensUsd: tokensCost.usd }),
    ...(usdPerHour !== undefined &&
      run.seconds !== undefined && { planUsd: usdPerHour * Math.ceil(run.seconds / 3_600) }),
  };
}

/** Shares of lost records that are the same by chance, where some are lost anyway and where hardly any are. */
const sameLoss = { some: 0.01, none: 0.005 };

/** A bucket that starts empty may refuse each worker's first request for good: that is the start, not the step. */
function losesMore(before: Outcome, after: Outcome): boolean {
  const { some, none } = sameLoss;
  const atStart = after.recommendedWorkers / after.records;
  const chance = before.lostShare > none ? some : none;
  return after.lostShare > before.lostShare + Math.max(atStart, chance);
}

/** Whether there is room for more workers than before; no knee is endless room, an unknown one is none. */
function hasMoreRoom(before: Outcome, after: Outcome): boolean {
  if (before.bottleneck === 'undetermined' || after.bottleneck === 'undetermined') return false;
  return (after.knee ?? Infinity) > (before.knee ?? Infinity) * worthwhile;
}

function isNoBetter(before: Outcome, after: Outcome): boolean {
  if (after.seconds === null || losesMore(before, after)) return true;
  if (before.seconds === null || losesMore(after, before)) return false;
  const gain = before.seconds / after.seconds;
  return gain < 1 / worthwhile || (gain < worthwhile && !hasMoreRoom(before, after));
}

/** Whether two steps come to the same: in the same time, whole or with the same loss, and no more room. */
function isSame(one: Outcome, other: Outcome): boolean {
  if (one.seconds === null || other.seconds === null) return false;
  const ratio = one.seconds / other.seconds;
  return (
    ratio < worthwhile &&
    ratio > 1 / worthwhile &&
    !losesMore(one, other) &&
    !losesMore(other, one) &&
    !hasMoreRoom(one, other)
  );
}

/** Whether a step lifts what no worker ever waits for: then all stays as it is, and nothing is simulated. */
function isUnfelt({ workers, worker, host, mysql }: Lab, { kind }: Step): boolean {
  const most = Math.max(...workers);
  if (kind === 'pool') return mysql.poolSize >= most;
  const neededMb = worker.baseMemoryMb + most * worker.memoryMb;
  return kind === 'memory' && neededMb <= memoryShare * host.memoryGb * 1_024;
}

/** Every single step from the lab as it is. A target may be far too large to simulate. */
export function upgradeLadder(
  lab: Lab,
  targetRecords?: number,
  forecast: Forecast = createForecast(),
): Ladder {
  const outcomes = (changed: Lab, usdPerHour?: number): Pick<Row, 'atLab' | 'atTarget'> => ({
    atLab: outcomeOf(changed, lab.workload.records, forecast, usdPerHour),
    ...(targetRecords !== undefined && {
      atTarget: outcomeOf(changed, targetRecords, forecast, usdPerHour),
    }),
  });
  const now: Row = {
    ...outcomes(lab, planPrices[lab.qdrant.plan]?.usdPerHour),
    gain: 1,
    gainsNothing: false,
  };
  const rows = [now];
  for (const step of stepsFor(lab)) {
    const before = rows.filter((row) => row.step?.kind === step.kind).at(-1);
    // Twice the memory, or the cores, for nothing needs no four times.
    const isOfHost = step.kind === 'memory' || step.kind === 'cores';
    if (isOfHost && before?.gainsNothing) continue;
    const usdPerHour = step.price.usdPerHour ?? planPrices[lab.qdrant.plan]?.usdPerHour;
    const found = isUnfelt(lab, step) ? now : outcomes(step.change(lab), usdPerHour);
    const [was, is] = [toldOf(now).seconds, toldOf(found).seconds];
    const gainsNothing = isNoBetter(toldOf(now), toldOf(found));
    const same = rows.find(
      (row) =>
        row.step?.kind === step.kind && !row.gainsNothing && isSame(toldOf(row), toldOf(found)),
    );
    rows.push({
      step,
      atLab: found.atLab,
      ...(found.atTarget && { atTarget: found.atTarget }),
      gain: was === null || is === null ? null : was / is,
      gainsNothing,
      ...(same && !gainsNothing && { sameAs: same.step!.name }),
    });
  }
  return {
    lab,
    ...(targetRecords !== undefined && { targetRecords }),
    rows,
    notes: stepNotes(lab),
  };
}

type Gaining = Row & { step: Step };

const gainingSteps = ({ rows }: Ladder): Gaining[] =>
  rows.filter(
    (row): row is Gaining =>
      row.step !== undefined &&
      !row.gainsNothing &&
      toldOf(row).bottleneck !== 'undetermined' &&
      (row.gain === null || row.gain >= worthwhile),
  );

/** Of what costs nothing, the setting that gains most; undefined where none gains. */
export function bestSetting(ladder: Ladder): Gaining | undefined {
  const gainOf = ({ gain }: Row) => gain ?? Infinity;
  return gainingSteps(ladder)
    .filter(({ step, sameAs }) => isSetting(step) && sameAs === undefined)
    .reduce<Gaining | undefined>(
      (best, row) => (best && gainOf(best) >= gainOf(row) ? best : row),
      undefined,
    );
}

/** Of what is bought, the smallest step that gains; undefined where none does. */
export const firstPurchase = (ladder: Ladder): Gaining | undefined =>
  gainingSteps(ladder).find(({ step }) => !isSetting(step));

/** The step that the ladder is about: the first purchase that helps, or a setting where none does. */
export const bestStep = (ladder: Ladder): Gaining | undefined =>
  firstPurchase(ladder) ?? bestSetting(ladder);
