import type { Run } from '../runs.ts';
import type { KeyedRoute } from './call.ts';

/** Upper ends of the histogram's buckets, in seconds. */
export const bucketSeconds = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50,
] as const;

/** The answers of one route with one status; of their durations those with status 200 are told. */
export type RestStatistic = {
  method: string;
  /** As the server prints it: `/collections/{collection_name}`. */
  endpoint: string;
  status: number;
  count: number;
  sumSeconds: number;
  minSeconds: number;
  maxSeconds: number;
  /** Answers within each bucket and no earlier one. */
  buckets: number[];
};

export type RestStatistics = {
  note: (run: Run, route: KeyedRoute, status: number, seconds: number) => void;
  of: (run: Run) => RestStatistic[];
};

const patternOf = (path: string): string =>
  path
    .replace(':name', '{collection_name}')
    .replace(':field', '{field_name}')
    .replace(':id', '{id}');

export function createRestStatistics(): RestStatistics {
  const runs = new WeakMap<Run, Map<string, RestStatistic>>();
  return {
    note(run, { method, path }, status, seconds) {
      const known = runs.get(run) ?? new Map<string, RestStatistic>();
      runs.set(run, known);
      const name = `${method} ${path} ${status}`;
      const statistic = known.get(name) ?? {
        method,
        endpoint: patternOf(path),
        status,
        count: 0,
        sumSeconds: 0,
        minSeconds: Infinity,
        maxSeconds: 0,
        buckets: bucketSeconds.map(() => 0),
      };
      known.set(name, statistic);
      statistic.count++;
      statistic.sumSeconds += seconds;
      statistic.minSeconds = Math.min(statistic.minSeconds, seconds);
      statistic.maxSeconds = Math.max(statistic.maxSeconds, seconds);
      const at = bucketSeconds.findIndex((most) => seconds <= most);
      if (at >= 0) statistic.buckets[at]!++;
    },
    of: (run) => [...(runs.get(run)?.values() ?? [])],
  };
}
