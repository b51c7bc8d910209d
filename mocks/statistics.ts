import { createHistogram } from '../src/model/histogram.ts';
import type { Percentiles } from '../src/model/sweep.ts';
import type { Answer } from './endpoint.ts';
import type { Sighting } from './observed.ts';
import { createWaits, type WaitCounts } from './waits.ts';

/** What one key of one service asked for and got. */
export type StatisticsView = {
  requests: number;
  byStatus: Record<string, number>;
  /** Refusals by the limit that refused. */
  rateLimited: Record<string, number>;
  faults: Record<string, number>;
  /** Embeddings requests and upserts per one of them that arrived whole; null before the first. */
  attemptsPerSuccess: number | null;
  waits: WaitCounts;
  /** Milliseconds of real time that the mock worked, within 2 %. */
  ownMs: Percentiles;
  /** Milliseconds of real time from arrival to answer, within 2 %. */
  delayMs: Percentiles;
  /** Charged. */
  tokens: number;
  /** Written. */
  points: number;
  /** Virtual seconds from the first arrival to the last answer. */
  seconds: number;
  /** Per virtual second; null where no time has passed. */
  pointsPerSecond: number | null;
  requestsPerSecond: number | null;
};

export type Statistics = {
  /** `speed`: virtual seconds per real second. */
  add: (sighting: Sighting, speed: number) => void;
  view: () => StatisticsView;
  /** First arrival and last answer on the monotonic clock, in milliseconds; undefined without any. */
  spanMs: () => [from: number, to: number] | undefined;
};

/** Thousands of keys have two histograms each: 32 buckets per doubling are fine enough. */
const histogramBits = 5;

/** Faults after which the client still has the whole answer. */
const harmless = ['latency', 'dribble'];

/** Whether the client got what it asked for. */
export const arrived = ({ status, about }: Answer): boolean =>
  status < 400 && (about?.fault === undefined || harmless.includes(about.fault));

const count = (counts: Record<string, number>, name: string | number): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

export function createStatistics(): Statistics {
  const own = createHistogram(histogramBits);
  const delay = createHistogram(histogramBits);
  const waits = createWaits();
  const byStatus: Record<string, number> = {};
  const rateLimited: Record<string, number> = {};
  const faults: Record<string, number> = {};
  let [requests, attempts, successes, tokens, points, usedSpeed] = [0, 0, 0, 0, 0, 1];
  let [firstMs, lastMs] = [Infinity, 0];

  return {
    add(sighting, speed) {
      const { answer, nowMs, ownMs } = sighting;
      const { about, status, delayMs = 0 } = answer;
      requests++;
      usedSpeed = speed;
      count(byStatus, status);
      own.add(Math.round(ownMs * 1_000));
      delay.add(Math.round(delayMs * 1_000));
      if (nowMs < firstMs) firstMs = nowMs;
      lastMs = Math.max(lastMs, nowMs + delayMs);
      waits.add(sighting, speed);
      if (!about) return;
      if (about.refusedBy !== undefined) count(rateLimited, about.refusedBy);
      if (about.fault !== undefined) count(faults, about.fault);
      if (about.kind === 'embeddings' || about.kind === 'upsert') {
        attempts++;
        if (arrived(answer)) successes++;
      }
      tokens += about.tokens ?? 0;
      points += about.points ?? 0;
    },
    spanMs: () => (requests === 0 ? undefined : [firstMs, lastMs]),
    view() {
      const seconds = requests === 0 ? 0 : ((lastMs - firstMs) * usedSpeed) / 1_000;
      return {
        requests,
        byStatus: { ...byStatus },
        rateLimited: { ...rateLimited },
        faults: { ...faults },
        attemptsPerSuccess: successes ? attempts / successes : null,
        waits: waits.counts(),
        ownMs: own.percentilesMs(),
        delayMs: delay.percentilesMs(),
        tokens,
        points,
        seconds,
        pointsPerSecond: seconds > 0 ? points / seconds : null,
        requestsPerSecond: seconds > 0 ? requests / seconds : null,
      };
    },
  };
}
