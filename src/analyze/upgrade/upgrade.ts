/** The ladder: what each single upgrade gains, asks for, and what binds after it. Pure. */
import type { Lab } from '../../model/lab.ts';
import { planPrices } from '../../model/prices.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import { simulateSweep } from '../analyze.ts';
import { costOf } from './cost.ts';
import { createForecast, type Forecast } from './steady-state.ts';
import { type Step, stepsFor } from './steps.ts';

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
  /** Neither sooner done than now, nor room for more workers. */
  gainsNothing: boolean;
  /** The smaller step of its kind that gains as much: this one gains nothing more. */
  sameAs?: string;
};

export type Ladder = { lab: Lab; targetRecords?: number; rows: Row[] };

/** Gains up to this are noise of latencies, not of a limit. */
const worthwhile = 1.01;

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

/** Judges a lab at a number of records. `usdPerHour` is the plan's, where it is known. */
export function outcomeOf(
  lab: Lab,
  records: number,
  forecast: Forecast,
  usdPerHour?: number,
): Outcome {
  const { verdict } = simulateSweep(
    { ...lab, workload: { ...lab.workload, records: tellingRecords(lab, records) } },
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
    ...(run.problem !== undefined && { problem: run.problem }),
    ...(tokensCost && { tokensUsd: tokensCost.usd }),
    ...(usdPerHour !== undefined &&
      run.seconds !== undefined && { planUsd: usdPerHour * Math.ceil(run.seconds / 3_600) }),
  };
}

/** Room for more workers, as a number: no knee is endless room. */
const room = ({ knee }: Outcome) => knee ?? Number.POSITIVE_INFINITY;

function isNoBetter(before: Outcome, after: Outcome): boolean {
  if (after.seconds === null) return true;
  if (before.seconds === null) return false;
  const gain = before.seconds / after.seconds;
  return gain < worthwhile && !(room(after) > room(before) * worthwhile);
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
  const told = ({ atLab, atTarget }: Pick<Row, 'atLab' | 'atTarget'>) => atTarget ?? atLab;
  const now: Row = {
    ...outcomes(lab, planPrices[lab.qdrant.plan]?.usdPerHour),
    gain: 1,
    gainsNothing: false,
  };
  const rows = [now];
  for (const step of stepsFor(lab)) {
    const before = rows.filter((row) => row.step?.kind === step.kind).at(-1);
    // Twice the memory for nothing needs no four times.
    if (step.kind === 'memory' && before?.gainsNothing) continue;
    const usdPerHour = step.price.usdPerHour ?? planPrices[lab.qdrant.plan]?.usdPerHour;
    const found = outcomes(step.change(lab), usdPerHour);
    const [was, is] = [told(now).seconds, told(found).seconds];
    const gainsNothing = isNoBetter(told(now), told(found));
    const same = before?.step && !gainsNothing && isNoBetter(told(before), told(found));
    rows.push({
      step,
      ...found,
      gain: was === null || is === null ? null : was / is,
      gainsNothing,
      ...(same && { sameAs: before.sameAs ?? before.step!.name }),
    });
  }
  return { lab, ...(targetRecords !== undefined && { targetRecords }), rows };
}

/**
 * The step to take first: of what is bought, the smallest that gains; of settings, where nothing that
 * can be bought helps, the one that gains most. Undefined where nothing gains.
 */
export function bestStep({ rows }: Ladder): (Row & { step: Step }) | undefined {
  const gaining = rows.filter(
    (row): row is Row & { step: Step } =>
      row.step !== undefined && !row.gainsNothing && (row.gain === null || row.gain >= worthwhile),
  );
  const bought = gaining.filter(({ step }) => step.kind !== 'pool' && step.kind !== 'batch');
  if (bought.length > 0) return bought[0];
  return gaining.reduce<(Row & { step: Step }) | undefined>(
    (best, row) => (best && best.gain! >= (row.gain ?? 0) ? best : row),
    undefined,
  );
}
