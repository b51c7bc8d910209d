/** What a lab does with so many records, judged: the figures of a row of the ladder. Pure. */
import type { Lab } from '../../model/lab.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import { simulateSweep } from '../analyze.ts';
import { creditsOf } from '../diagnosis/burst.ts';
import { labDemand } from '../diagnosis/observations.ts';
import { costOf } from './cost.ts';
import type { Forecast } from './steady-state.ts';

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
