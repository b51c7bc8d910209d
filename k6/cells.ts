/** What k6 counts in a cell, and how a cell is read back from its summary. Loaded by k6 and by Node. */
import type { Lab } from '../src/model/lab.ts';
import type { Percentiles } from '../src/model/sweep.ts';
import { infeasibleCell, memoryOf, type RawCell } from '../src/simulate/cell.ts';

export const counters = [
  'kp_embeds',
  'kp_embedded',
  'kp_rpm',
  'kp_tpm',
  'kp_rpd',
  'kp_embed_errors',
  'kp_tokens',
  'kp_upserts',
  'kp_upserted',
  'kp_timeouts',
  'kp_upsert_errors',
  'kp_records_failed',
  'kp_claims',
  'kp_points_stored',
  'kp_read_ms',
  'kp_compute_ms',
  'kp_embed_ms',
  'kp_qdrant_ms',
  'kp_backoff_ms',
  'kp_claim_ms',
  'kp_slow_ms',
  'kp_loop_mean',
  'kp_loop_p50',
  'kp_loop_p95',
  'kp_loop_p99',
  'kp_mock_p50',
  'kp_mock_p95',
  'kp_mock_p99',
] as const;
export const trends = [
  'kp_embed_latency',
  'kp_upsert_latency',
  'kp_pool_wait',
  'kp_clock',
  'kp_answer_late',
  'kp_timer_late',
] as const;

export type CounterName = (typeof counters)[number];
export type TrendName = (typeof trends)[number];

/** The part of k6's summary that cells are read from. */
export type K6Summary = {
  metrics: Record<string, { values: Record<string, number> } | undefined>;
};

/** Seconds of real time that a cell should last at least, so that timers and start-up don't matter. */
const leastRealSeconds = 1.5;

/** The speed of a cell: the lab's, or less where the cell would be over too soon to be measured. */
export function cellSpeed(lab: Lab, predictedSeconds: number): number {
  const slowest = Math.max(1, predictedSeconds / leastRealSeconds);
  return Math.min(lab.speed, Number(slowest.toPrecision(3)));
}

export class MissingSamples extends Error {}

/** Reads one cell that ran at such a speed. Throws MissingSamples where the run did not do all of its work. */
export function cellOf(
  lab: Lab,
  { workers, speed }: { workers: number; speed: number },
  claims: number,
  summary: K6Summary,
): RawCell {
  const values = (name: string) => summary.metrics[`${name}{workers:${workers}}`]?.values ?? {};
  const count = (name: CounterName) => values(name).count ?? 0;
  const percentiles = (name: TrendName): Percentiles => {
    const { med = 0, 'p(95)': p95 = 0, 'p(99)': p99 = 0 } = values(name);
    return { p50: med, p95, p99 };
  };
  const clock = values('kp_clock');
  if (count('kp_claims') !== claims) {
    const dropped = summary.metrics.dropped_iterations?.values.count ?? 0;
    throw new MissingSamples(
      `${workers} workers: ${count('kp_claims')} of ${claims} claims were finished${dropped > 0 ? `, k6 dropped ${dropped} at its time limit` : ''}`,
    );
  }
  const seconds = (clock.max! - clock.min!) / 1_000;
  const { records, chunksPerRecord } = lab.workload;
  const mean = (name: CounterName) => count(name) / 1_000 / seconds;
  const absorbed = {
    read: mean('kp_read_ms'),
    compute: mean('kp_compute_ms'),
    embed: mean('kp_embed_ms'),
    qdrant: mean('kp_qdrant_ms'),
    backoff: mean('kp_backoff_ms'),
  };
  const busy =
    absorbed.read + absorbed.compute + absorbed.embed + absorbed.qdrant + absorbed.backoff;
  const concurrency = mean('kp_claim_ms');
  const recordsFailed = count('kp_records_failed');
  return {
    ...infeasibleCell(lab, workers),
    feasible: true,
    seconds,
    recordsPerSecond: (records - recordsFailed) / seconds,
    openai: {
      requests: count('kp_embeds'),
      succeeded: count('kp_embedded'),
      rateLimited: { rpm: count('kp_rpm'), tpm: count('kp_tpm'), rpd: count('kp_rpd') },
      errors: count('kp_embed_errors'),
      chargedTokens: count('kp_tokens'),
      attemptsPerSuccess: count('kp_embedded') > 0 ? count('kp_embeds') / count('kp_embedded') : 0,
      latencyMs: percentiles('kp_embed_latency'),
    },
    qdrant: {
      requests: count('kp_upserts'),
      succeeded: count('kp_upserted'),
      timeouts: count('kp_timeouts'),
      errors: count('kp_upsert_errors'),
      pointsPerSecond: count('kp_points_stored') / seconds,
      latencyMs: percentiles('kp_upsert_latency'),
    },
    mysql: { poolWaitMs: percentiles('kp_pool_wait') },
    memory: memoryOf(lab, workers),
    absorbed: { ...absorbed, idle: Math.max(0, workers - busy) },
    completeness: {
      records,
      pointsExpected: records * chunksPerRecord,
      pointsStored: count('kp_points_stored'),
      recordsFailed,
    },
    harness: {
      speed,
      eventLoopDelayMs: {
        mean: count('kp_loop_mean'),
        p50: count('kp_loop_p50'),
        p95: count('kp_loop_p95'),
        p99: count('kp_loop_p99'),
      },
      mockWorkMs: {
        p50: count('kp_mock_p50'),
        p95: count('kp_mock_p95'),
        p99: count('kp_mock_p99'),
      },
      answersLateMs: percentiles('kp_answer_late'),
      timersLateMs: percentiles('kp_timer_late'),
      slowShare: concurrency > 0 ? mean('kp_slow_ms') / concurrency : 0,
      concurrency,
    },
  };
}
