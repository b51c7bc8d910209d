import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import type { Observations } from '../observations.ts';
import type { Runs } from '../runs.ts';
import type { Buckets, Count } from '../totals.ts';

export type Metrics = {
  contentType: string;
  /** In Prometheus' text format. */
  text: (nowMs: number) => Promise<string>;
  close: () => void;
};

/** Profiles with gauges of their own, the youngest: a scrape must stay small. */
export const mostProfiles = 100;

/** Milliseconds between two looks at the event loop; each reading has them in it. */
const resolution = 20;

/** A histogram whose buckets were counted elsewhere: prom-client's own would cost more than the rest of watching. */
function histogram(registry: Registry, name: string, help: string, buckets: Buckets): void {
  const get = async () => {
    let cumulated = 0;
    const values = buckets.counts.map((count, at) => {
      cumulated += count;
      const le = at < buckets.bounds.length ? buckets.bounds[at]! : '+Inf';
      return { metricName: `${name}_bucket`, labels: { le }, value: cumulated };
    });
    const sum = { metricName: `${name}_sum`, labels: {}, value: buckets.sumSeconds };
    const count = { metricName: `${name}_count`, labels: {}, value: cumulated };
    return { name, help, type: 'histogram', aggregator: 'sum', values: [...values, sum, count] };
  };
  const metric = { name, help, type: 'histogram', get, reset() {} };
  registry.registerMetric(metric as unknown as Metric<string>);
}

export function createMetrics(runs: Runs, { journal, totals }: Observations): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const eventLoop = monitorEventLoopDelay({ resolution });
  eventLoop.enable();
  let nowMs = 0;

  const counter = (name: string, help: string, labelNames: string[], counts: () => Count[]) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { labels, count } of counts()) this.inc(labels, count);
      },
    });
  const gauge = (
    name: string,
    help: string,
    labelNames: string[],
    values: () => [labels: Record<string, string>, value: number][],
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of values()) this.set(labels, value);
      },
    });

  counter(
    'kneepoint_requests_total',
    'Requests answered.',
    ['service', 'kind', 'status'],
    totals.requests,
  );
  counter(
    'kneepoint_rate_limited_total',
    'Requests refused by a limit.',
    ['service', 'limit'],
    totals.rateLimited,
  );
  histogram(
    registry,
    'kneepoint_base_latency_seconds',
    'Real time that the mock itself worked on a request.',
    totals.own,
  );
  histogram(
    registry,
    'kneepoint_added_latency_seconds',
    'Real time from arrival to answer that the model asked for.',
    totals.added,
  );

  const shown = (service: 'openai' | 'qdrant') =>
    runs
      .all()
      .slice(-mostProfiles)
      .filter(({ services }) => services.includes(service));
  const bucketLabels = ['profile', 'model', 'limit'];
  const buckets = (what: 'limit' | 'used') => (): [Record<string, string>, number][] =>
    shown('openai').flatMap((run) =>
      [...run.models].flatMap(([model, { limiter }]) =>
        limiter
          .standings(run.peekUs(nowMs))
          .map((standing): [Record<string, string>, number] => [
            { profile: run.name, model, limit: standing.name },
            standing[what],
          ]),
      ),
    );
  gauge('kneepoint_bucket_limit', 'Limit of a bucket.', bucketLabels, buckets('limit'));
  gauge('kneepoint_bucket_used', 'Units of a bucket in use.', bucketLabels, buckets('used'));
  for (const [what, help] of [
    ['queued', 'Operations taken and not yet applied.'],
    ['backlog', 'Points that wait for the index.'],
    ['points', 'Points stored.'],
  ] as const)
    gauge(`kneepoint_upsert_${what}`, help, ['profile'], () =>
      shown('qdrant').map((run) => [
        { profile: run.name },
        run.upserts.state(run.peekUs(nowMs))[what],
      ]),
    );

  const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution);
  gauge(
    'kneepoint_event_loop_delay_ms',
    'How late the event loop of the mocks was, since their begin.',
    ['quantile'],
    () => [
      [{ quantile: '0.5' }, delayMs(eventLoop.percentile(50))],
      [{ quantile: '0.99' }, delayMs(eventLoop.percentile(99))],
      [{ quantile: 'max' }, delayMs(eventLoop.max)],
    ],
  );
  gauge('kneepoint_profiles', 'Profiles that have begun, shown here or not.', [], () => [
    [{}, runs.all().length],
  ]);
  gauge('kneepoint_journal_entries', 'Entries of the journal.', [], () => [
    [{}, journal.size().entries],
  ]);
  gauge('kneepoint_journal_bytes', 'Bytes of the journal, by estimate.', [], () => [
    [{}, journal.size().bytes],
  ]);
  gauge('kneepoint_memory_bytes', 'Memory of the process.', ['of'], () => {
    const { rss, heapUsed, external } = process.memoryUsage();
    return [
      [{ of: 'rss' }, rss],
      [{ of: 'heap' }, heapUsed],
      [{ of: 'external' }, external],
    ];
  });

  return {
    contentType: registry.contentType,
    text(atMs) {
      nowMs = atMs;
      return registry.metrics();
    },
    close: () => void eventLoop.disable(),
  };
}
