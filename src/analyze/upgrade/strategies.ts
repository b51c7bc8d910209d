/**
 * What to do on one's own side of a rate limit: each strategy against doing nothing, over many seeds. All
 * draw the same latencies for the same record and try (common random numbers), so pairs of one seed are
 * compared; refusals reorder the rest, which is why there are many seeds.
 */
import { createAimd, createPace, type Gate } from '../../model/client-limit.ts';
import type { Lab } from '../../model/lab.ts';
import type { ClientProfile } from '../../model/retry.ts';
import type { Verdict } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';
import { memoryOf, type RawCell, simulateCell } from '../../simulate/cell.ts';
import { simulateSweep } from '../analyze.ts';
import { memoryShare } from '../diagnosis/ladder.ts';
import { studentQuantile } from '../welch.ts';
import { tellingRecords } from './outcome.ts';
import { stepsFor } from './steps.ts';
/** Mean over seeds and its 95 % interval by Student's t. */
export type Interval = { mean: number; low: number; high: number };

export type Strategy = {
  name: string;
  /** What to set to get it. */
  settings: string[];
  workers: number;
  lab: Lab;
  /** A limit that all workers share, afresh for each run. */
  gate?: (lab: Lab) => Gate;
  /** Share of the limits that a shared limiter keeps to, in (0, 1]. */
  share?: number;
};

export type StrategyResult = {
  name: string;
  settings: string[];
  workers: number;
  /** Claims that the lab's own records make: no more workers than that have work. */
  claims: number;
  share?: number;
  seconds: Interval;
  refused: Interval;
  recordsLost: Interval;
  attemptsPerSuccess: Interval;
  /** Time as a ratio to doing nothing, seed by seed; the interval is of the mean log ratio. */
  timeRatio: Interval;
};

export type Strategies = {
  lab: string;
  /** Of doing nothing, and of each strategy that does not change them. */
  workers: number;
  /** The lab's own, or as many as it takes for rates to settle. */
  records: number;
  labRecords: number;
  seeds: number;
  results: StrategyResult[];
  /** Name of the one to use, and why. */
  best: string;
  why: string;
};

export function intervalOf(values: number[]): Interval {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const half = studentQuantile(0.975, values.length - 1) * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

/** A tenth of a minute may be saved up: far less than the provider's bucket, so delays on the way don't matter. */
export const paceBurstSeconds = 6;

const paceOf = (share: number) => (lab: Lab) =>
  createPace({
    limits: lab.openai.limits,
    share,
    burstSeconds: Math.min(paceBurstSeconds, lab.openai.burstSeconds),
    start: 'empty',
  });

/** The simulator's verdict, as the ladder has it. */
const verdictOf = (lab: Lab, records: number): Verdict =>
  simulateSweep(
    { ...lab, workload: { ...lab.workload, records } },
    { kneepoint: '', node: '', labHash: '' },
  ).verdict;

/** How the two SDKs call the number of tries after the first. */
const retrySetting = (sdk: ClientProfile, retries: number): string =>
  sdk.startsWith('openai-node') ? `maxRetries: ${retries}` : `max_retries=${retries}`;

/** The strategies for a lab with so many workers; the first is doing nothing. */
export function strategiesFor(lab: Lab, workers: number, recommendedWorkers: number): Strategy[] {
  const { client } = lab.worker;
  const sdk: ClientProfile = client.startsWith('openai-') ? client : 'openai-node-7';
  const withClient = (name: ClientProfile, retries?: number): Lab => {
    const { retries: _, ...worker } = lab.worker;
    return {
      ...lab,
      worker: { ...worker, client: name, ...(retries !== undefined && { retries }) },
    };
  };
  const few = Math.min(workers, recommendedWorkers);
  const same = { workers, lab };
  const sdkStrategy = (retries: number, name: string): Strategy => ({
    name: `${sdk}, ${name}`,
    settings: [retrySetting(sdk, retries)],
    workers,
    lab: withClient(sdk, retries),
  });
  const paced = (share: number): Strategy => ({
    ...same,
    name: `shared limiter at ${share * 100} %`,
    settings: [`one limiter for all workers, ${share * 100} % of the limits (see the snippet)`],
    gate: paceOf(share),
    share,
  });
  const rule = (name: string, profile: ClientProfile, setting: string): Strategy => ({
    name,
    settings: [setting],
    workers,
    lab: withClient(profile),
  });
  return [
    { ...same, name: 'doing nothing', settings: [] },
    { ...same, name: 'fewer workers', settings: [`MAX_WORKERS=${few}`], workers: few },
    ...stepsFor(lab)
      .filter(({ kind }) => kind === 'batch')
      .map(({ name, change }): Strategy => {
        const changed = change(lab);
        const { batchSize, recordsPerClaim } = changed.workload;
        const settings = [
          `BATCH_SIZE=${batchSize}`,
          `CLAIM_SIZE=${recordsPerClaim} (records that a worker claims at a time)`,
        ];
        // As in the ladder: with larger batches a limit or the claims may be full with fewer workers.
        const count = Math.min(
          workers,
          verdictOf(changed, lab.workload.records).recommendedWorkers,
        );
        return { name, settings, workers: count, lab: changed };
      }),
    sdkStrategy(0, 'no retries'),
    sdkStrategy(2, '2 retries'),
    sdkStrategy(5, '5 retries'),
    sdkStrategy(10, '10 retries'),
    rule('hint without jitter', 'exact-hint', 'wait exactly as told, for ever'),
    rule('hint with jitter', 'patient', 'wait at least as told, up to four times as long'),
    rule('full jitter, no hint', 'full-jitter', 'wait up to 0.5 s, doubled, at most 8 s'),
    paced(1),
    paced(0.95),
    {
      ...same,
      name: 'AIMD on 429s',
      settings: ['halve the requests in flight on a 429, add a tenth for each round'],
      gate: () => createAimd(workers),
    },
  ];
}

const refusedOf = ({ openai: { rateLimited } }: RawCell) =>
  rateLimited.rpm + rateLimited.tpm + rateLimited.rpd;

/** Slower than the fastest by up to this much is as fast, where 429s or workers are saved. */
const asFast = 1.02;

function choose(results: StrategyResult[]): Pick<Strategies, 'best' | 'why'> {
  const [nothing] = results as [StrategyResult];
  const whole = results.filter(({ recordsLost }) => recordsLost.mean === 0);
  if (whole.length === 0)
    return { best: 'fewer workers', why: 'every strategy loses records: look at what fails first' };
  const fastest = Math.min(...whole.map(({ seconds }) => seconds.mean));
  const quick = whole.filter(({ seconds }) => seconds.mean <= fastest * asFast);
  // Of equals, the one with the fewest workers.
  const best = quick.reduce((a, b) =>
    b.refused.mean < a.refused.mean || (b.refused.mean === a.refused.mean && b.workers < a.workers)
      ? b
      : a,
  );
  if (nothing.refused.mean + nothing.recordsLost.mean === 0) {
    const why = 'no limit refuses anything here';
    if (best.seconds.mean < nothing.seconds.mean / asFast)
      return { best: best.name, why: `it is the fastest; ${why}` };
    return best.workers < nothing.workers
      ? { best: best.name, why: `it is as fast with fewer workers; ${why}` }
      : { best: nothing.name, why: `${why}: nothing needs to change` };
  }
  return {
    best: best.name,
    why: `of those that lose nothing and take at most ${Math.round((asFast - 1) * 100)} % longer than the fastest, it has the fewest 429s`,
  };
}

/**
 * Compares all strategies. Buckets of the per-minute limits start empty: what counts is production, not
 * its first minute.
 */
export function compareStrategies(
  given: Lab,
  { workers: asked, seeds = 10 }: { workers?: number; seeds?: number } = {},
): Strategies {
  const wanted = asked ?? Math.max(...given.workers);
  let workers = wanted;
  while (workers > 1 && memoryOf(given, workers).shareOfHost > memoryShare) workers--;
  const { records: labRecords, recordsPerClaim } = given.workload;
  // Where claims are what there is too few of, more records would hide that.
  const now = verdictOf(given, tellingRecords(given, labRecords));
  const records =
    now.bottleneck === 'work-units'
      ? labRecords
      : Math.max(Math.min(labRecords, 5_000), 50 * workers * recordsPerClaim);
  const lab: Lab = {
    ...given,
    workload: { ...given.workload, records },
    openai: { ...given.openai, bucket: { rpm: 'empty', tpm: 'empty' } },
  };
  const runs = strategiesFor(lab, workers, now.recommendedWorkers).map((strategy) => ({
    strategy,
    cells: Array.from({ length: seeds }, (_, at) => {
      const seeded = { ...strategy.lab, seed: lab.seed + at };
      return simulateCell(seeded, strategy.workers, strategy.gate?.(seeded));
    }),
  }));
  const nothing = runs[0]!.cells;
  const results = runs.map(({ strategy, cells }) => {
    const { name, settings, workers: count, share } = strategy;
    const own = { ...strategy.lab.workload, records: labRecords };
    const over = (of: (cell: RawCell) => number) => intervalOf(cells.map(of));
    const logs = intervalOf(
      cells.map(({ seconds }, at) => Math.log(seconds / nothing[at]!.seconds)),
    );
    return {
      name,
      settings,
      workers: count,
      claims: createWorkload(own).claims,
      ...(share !== undefined && { share }),
      seconds: over(({ seconds }) => seconds),
      refused: over(refusedOf),
      recordsLost: over(({ completeness }) => completeness.recordsFailed),
      attemptsPerSuccess: over(({ openai }) => openai.attemptsPerSuccess),
      timeRatio: { mean: Math.exp(logs.mean), low: Math.exp(logs.low), high: Math.exp(logs.high) },
    };
  });
  return { lab: given.name, workers, records, labRecords, seeds, results, ...choose(results) };
}
